//! `containerd.services.tasks.v1`.

mod metrics;
mod wire;

use gantry_proto::containerd::services::tasks::v1::{
    CheckpointTaskRequest, CheckpointTaskResponse, CloseIoRequest, CreateTaskRequest,
    CreateTaskResponse, DeleteProcessRequest, DeleteResponse, DeleteTaskRequest,
    ExecProcessRequest, GetRequest, GetResponse, KillRequest, ListPidsRequest, ListPidsResponse,
    ListTasksRequest, ListTasksResponse, MetricsRequest, MetricsResponse, PauseTaskRequest,
    ResizePtyRequest, ResumeTaskRequest, StartRequest, StartResponse, UpdateTaskRequest,
    WaitRequest, WaitResponse, tasks_server,
};
use gantry_proto::convert::time;
use tonic::{Request, Response, Status};

use super::{Shared, key, namespace, required, status};
use crate::filter::Filter;
use crate::names::ExecId;
use crate::supervisor::process_id;
use crate::task::{Load, Op, ProcessId, Stdio, TaskError};
use crate::typed::Typed;

type Answer<T> = Result<Response<T>, Status>;

pub(super) struct Service(pub(super) Shared);

#[tonic::async_trait]
impl tasks_server::Tasks for Service {
    #[tracing::instrument(name = "Tasks/Create", skip_all, fields(container.id = request.get_ref().container_id))]
    async fn create(&self, request: Request<CreateTaskRequest>) -> Answer<CreateTaskResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let request = request.into_inner();
        if request.checkpoint.is_some_and(|c| !c.digest.is_empty()) {
            let text = "restoring a checkpoint: not implemented";
            return Err(Status::unimplemented(text));
        }
        let stdio = Stdio {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        };
        let options = request.options.map(Typed::from);
        let created = self.0.create_task(&key, stdio, request.rootfs, options);
        let pid = created.await.map_err(status)?.pid;
        let container_id = key.id.into();
        Ok(Response::new(CreateTaskResponse { container_id, pid }))
    }

    #[tracing::instrument(name = "Tasks/Start", skip_all, fields(container.id = request.get_ref().container_id))]
    async fn start(&self, request: Request<StartRequest>) -> Answer<StartResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let process = process_id(&request.get_ref().exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let started = task.ask(Op::Start(process), Load::None).await;
        let pid = started.map_err(status)?.pid;
        Ok(Response::new(StartResponse { pid }))
    }

    #[tracing::instrument(name = "Tasks/Delete", skip_all, fields(container.id = request.get_ref().container_id))]
    async fn delete(&self, request: Request<DeleteTaskRequest>) -> Answer<DeleteResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let deleted = task.ask(Op::Delete, Load::None).await.map_err(status)?;
        Ok(Response::new(wire::deleted(key.id.into(), deleted)))
    }

    async fn delete_process(
        &self,
        request: Request<DeleteProcessRequest>,
    ) -> Answer<DeleteResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let exec = ExecId::parse(&request.get_ref().exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let deleted = task.ask(Op::DeleteExec(exec.clone()), Load::None).await;
        let deleted = deleted.map_err(status)?;
        Ok(Response::new(wire::deleted(exec.into(), deleted)))
    }

    async fn get(&self, request: Request<GetRequest>) -> Answer<GetResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let id = process_id(&request.get_ref().exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let process = task.process(&id).map_err(status)?;
        let process = Some(wire::process(&key.id, &id, process));
        Ok(Response::new(GetResponse { process }))
    }

    async fn list(&self, request: Request<ListTasksRequest>) -> Answer<ListTasksResponse> {
        let namespace = namespace(request.metadata())?;
        let tasks = self.0.tasks().list(&namespace);
        let tasks = tasks
            .iter()
            // One that was deleted meanwhile is left out.
            .filter_map(|task| {
                let init = task.shown()?;
                Some(wire::process(&task.key().id, &ProcessId::Init, init))
            })
            .collect();
        Ok(Response::new(ListTasksResponse { tasks }))
    }

    async fn kill(&self, request: Request<KillRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let KillRequest {
            exec_id,
            signal,
            all,
            ..
        } = request.into_inner();
        let id = process_id(&exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let process = task.process(&id).map_err(status)?;
        if process.exit().is_some() && !all {
            return Err(status(TaskError::Finished));
        }
        let shim = task.shim().map_err(status)?;
        shim.kill(&id, signal, all).await.map_err(status)?;
        Ok(Response::new(()))
    }

    #[tracing::instrument(name = "Tasks/Exec", skip_all, fields(container.id = request.get_ref().container_id))]
    async fn exec(&self, request: Request<ExecProcessRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let request = request.into_inner();
        let exec = ExecId::parse(&request.exec_id).map_err(status)?;
        let spec = required(request.spec, "spec")?;
        let stdio = Stdio {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            terminal: request.terminal,
        };
        let task = self.0.task(&key).await.map_err(status)?;
        let added = task.ask(Op::Exec(exec, stdio), Load::Process(spec.into()));
        added.await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn resize_pty(&self, request: Request<ResizePtyRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let request = request.into_inner();
        let id = process_id(&request.exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let shim = task.shim().map_err(status)?;
        let resized = shim.resize(&id, (request.width, request.height)).await;
        resized.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn close_io(&self, request: Request<CloseIoRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let request = request.into_inner();
        let id = process_id(&request.exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let shim = task.shim().map_err(status)?;
        if request.stdin {
            shim.close_stdin(&id).await.map_err(status)?;
        }
        Ok(Response::new(()))
    }

    async fn pause(&self, request: Request<PauseTaskRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let task = self.0.task(&key).await.map_err(status)?;
        task.ask(Op::Pause, Load::None).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn resume(&self, request: Request<ResumeTaskRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let task = self.0.task(&key).await.map_err(status)?;
        task.ask(Op::Resume, Load::None).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn list_pids(&self, request: Request<ListPidsRequest>) -> Answer<ListPidsResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let shim = task.shim().map_err(status)?;
        let processes = shim.pids().await.map_err(status)?;
        Ok(Response::new(ListPidsResponse { processes }))
    }

    async fn checkpoint(
        &self,
        _: Request<CheckpointTaskRequest>,
    ) -> Answer<CheckpointTaskResponse> {
        Err(Status::unimplemented("checkpoint: not implemented"))
    }

    async fn update(&self, request: Request<UpdateTaskRequest>) -> Answer<()> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let request = request.into_inner();
        let task = self.0.task(&key).await.map_err(status)?;
        let shim = task.shim().map_err(status)?;
        let resources = request.resources.map(Typed::from);
        let updated = shim.update(resources, request.annotations).await;
        updated.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn metrics(&self, request: Request<MetricsRequest>) -> Answer<MetricsResponse> {
        let namespace = namespace(request.metadata())?;
        let filter = Filter::parse(&request.into_inner().filters).map_err(status)?;
        let metrics = metrics::collect(self.0.tasks().list(&namespace), &filter).await;
        Ok(Response::new(MetricsResponse { metrics }))
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Answer<WaitResponse> {
        let key = key(request.metadata(), &request.get_ref().container_id)?;
        let id = process_id(&request.get_ref().exec_id).map_err(status)?;
        let task = self.0.task(&key).await.map_err(status)?;
        let exit = task.wait(id).await.map_err(status)?;
        Ok(Response::new(WaitResponse {
            exit_status: exit.status,
            exited_at: Some(time::to_wire(exit.at)),
        }))
    }
}
