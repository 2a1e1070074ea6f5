//! The edge: containerd's Task service (`containerd.task.v3`) by gRPC, turned into calls of the
//! core. Another protocol on the same socket would be another file like this one.

mod metrics;
mod requests;

use std::sync::Arc;

use gantry_proto::containerd::task::v3::task_server::Task as TaskService;
use gantry_proto::containerd::task::v3::{
    CheckpointTaskRequest, CloseIoRequest, ConnectRequest, ConnectResponse, CreateTaskRequest,
    CreateTaskResponse, DeleteRequest, DeleteResponse, ExecProcessRequest, KillRequest,
    PauseRequest, PidsRequest, PidsResponse, ResizePtyRequest, ResumeRequest, ShutdownRequest,
    StartRequest, StartResponse, StateRequest, StateResponse, StatsRequest, StatsResponse,
    UpdateTaskRequest, WaitRequest, WaitResponse,
};
use gantry_proto::convert::status::to_status;
use gantry_proto::convert::time;
use tonic::{Request, Response, Status};

use crate::task::{State, Task, TaskError, number};

type Answer<T> = Result<Response<T>, Status>;

/// The service of one task.
#[derive(Debug)]
pub(crate) struct Service {
    namespace: String,
    task: Arc<Task>,
}

impl Service {
    /// Serves `task`, which lives in `namespace`.
    pub(crate) fn new(namespace: String, task: Arc<Task>) -> Self {
        Self { namespace, task }
    }
}

impl Service {
    /// Lets the core work and puts its answer on the wire. The work is a task of its own: it is
    /// finished even if whoever asked is killed meanwhile. A container in the making is waited for.
    async fn answer<T, F>(&self, work: impl FnOnce(Arc<Task>) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, TaskError>> + Send + 'static,
    {
        self.task.settled().await;
        match tokio::spawn(work(self.task.clone())).await {
            Ok(result) => result.map(Response::new).map_err(|error| to_status(&error)),
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }

    /// The same for what changes nothing: it ends with whoever asked.
    async fn look<T>(&self, work: impl Future<Output = Result<T, TaskError>>) -> Answer<T> {
        self.task.settled().await;
        work.await
            .map(Response::new)
            .map_err(|error| to_status(&error))
    }
}

#[tonic::async_trait]
impl TaskService for Service {
    async fn state(&self, request: Request<StateRequest>) -> Answer<StateResponse> {
        let request = request.into_inner();
        self.look(async {
            let process = self.task.process(&request.exec_id)?;
            let exec_id = request.exec_id.clone();
            let id = if exec_id.is_empty() {
                self.task.id.clone()
            } else {
                exec_id
            };
            Ok(requests::state(&self.task, id, &process))
        })
        .await
    }

    async fn create(&self, request: Request<CreateTaskRequest>) -> Answer<CreateTaskResponse> {
        let namespace = self.namespace.clone();
        self.answer(|task| async move {
            let new = requests::container(&task, &namespace, request.into_inner())?;
            let container = task.create(new).await?;
            Ok(CreateTaskResponse {
                pid: number(container.init.state().pid()),
            })
        })
        .await
    }

    async fn start(&self, request: Request<StartRequest>) -> Answer<StartResponse> {
        let exec_id = request.into_inner().exec_id;
        self.answer(|task| async move {
            let container = task.container()?;
            let pid = if exec_id.is_empty() {
                container.start(&task).await?
            } else {
                let process = container.process(&exec_id)?;
                container.start_exec(&task, &process).await?
            };
            Ok(StartResponse {
                pid: number(Some(pid)),
            })
        })
        .await
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        let exec_id = request.into_inner().exec_id;
        self.answer(|task| async move {
            let container = task.container()?;
            let (pid, exit) = if exec_id.is_empty() {
                container.delete(&task).await?
            } else {
                let process = container.process(&exec_id)?;
                container.delete_exec(&task, &process).await?
            };
            let exited_at = Some(time::to_wire(exit.at));
            Ok(DeleteResponse {
                pid: number(pid),
                exit_status: exit.status,
                exited_at,
            })
        })
        .await
    }

    async fn pids(&self, _: Request<PidsRequest>) -> Answer<PidsResponse> {
        self.answer(|task| async move { Ok(requests::pids(task.container()?.pids()?)) })
            .await
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Answer<()> {
        self.answer(|task| async move { task.container()?.pause(&task).await })
            .await
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Answer<()> {
        self.answer(|task| async move { task.container()?.resume(&task).await })
            .await
    }

    async fn checkpoint(&self, _: Request<CheckpointTaskRequest>) -> Answer<()> {
        self.answer(|_| async { Err(TaskError::Unsupported("checkpoint")) })
            .await
    }

    async fn kill(&self, request: Request<KillRequest>) -> Answer<()> {
        let KillRequest {
            exec_id,
            signal,
            all,
            ..
        } = request.into_inner();
        self.answer(|task| async move {
            let container = task.container()?;
            if exec_id.is_empty() {
                container.kill(&task, signal, all).await
            } else {
                container.kill_exec(&*container.process(&exec_id)?, signal)
            }
        })
        .await
    }

    async fn exec(&self, request: Request<ExecProcessRequest>) -> Answer<()> {
        self.answer(|task| async move {
            let new = requests::exec(request.into_inner())?;
            task.container()?.add_exec(&task, new)
        })
        .await
    }

    async fn resize_pty(&self, request: Request<ResizePtyRequest>) -> Answer<()> {
        let ResizePtyRequest {
            exec_id,
            width,
            height,
            ..
        } = request.into_inner();
        let clamp = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
        self.answer(|task| async move {
            let process = task.process(&exec_id)?;
            Ok(process.streams.resize(clamp(width), clamp(height))?)
        })
        .await
    }

    async fn close_io(&self, request: Request<CloseIoRequest>) -> Answer<()> {
        let CloseIoRequest { exec_id, stdin, .. } = request.into_inner();
        self.answer(|task| async move {
            let process = task.process(&exec_id)?;
            if stdin {
                process.streams.close_input();
            }
            Ok(())
        })
        .await
    }

    async fn update(&self, request: Request<UpdateTaskRequest>) -> Answer<()> {
        self.answer(|task| async move {
            let resources = request
                .into_inner()
                .resources
                .ok_or(TaskError::Missing("resources"))?;
            task.container()?.update(&task, resources.value).await
        })
        .await
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Answer<WaitResponse> {
        let exec_id = request.into_inner().exec_id;
        self.look(async {
            let exit = self.task.process(&exec_id)?.ended().await;
            let exited_at = Some(time::to_wire(exit.at));
            Ok(WaitResponse {
                exit_status: exit.status,
                exited_at,
            })
        })
        .await
    }

    async fn stats(&self, _: Request<StatsRequest>) -> Answer<StatsResponse> {
        self.answer(|task| async move {
            let container = task.container()?;
            let (cgroup, stats) = container.stats()?;
            Ok(StatsResponse {
                stats: Some(metrics::pack(cgroup.is_v2(), &stats)),
            })
        })
        .await
    }

    async fn connect(&self, _: Request<ConnectRequest>) -> Answer<ConnectResponse> {
        let task_pid = self
            .task
            .container()
            .ok()
            .and_then(|c| c.init.state().pid());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(ConnectResponse {
            shim_pid: std::process::id(),
            task_pid: number(task_pid),
            version,
        }))
    }

    async fn shutdown(&self, request: Request<ShutdownRequest>) -> Answer<()> {
        self.task.settled().await;
        // While there is a container there is something to do, whoever asks.
        let busy = self
            .task
            .container()
            .is_ok_and(|c| !matches!(c.init.state(), State::Stopped { .. }));
        if self.task.container().is_err() || (request.into_inner().now && !busy) {
            self.task.shutdown.notify_one();
        }
        Ok(Response::new(()))
    }
}

/// The `-info` call: prints a `RuntimeInfo` (containerd.types, introspection.proto).
pub(crate) fn print_info() -> std::io::Result<()> {
    use prost::Message;
    use std::io::Write;

    let info = RuntimeInfo {
        name: "io.containerd.lite.v2".to_owned(),
        version: Some(RuntimeVersion {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
    };
    std::io::stdout().write_all(&info.encode_to_vec())
}

/// `containerd.types.RuntimeInfo`, as far as it is told.
#[derive(Clone, PartialEq, prost::Message)]
struct RuntimeInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    version: Option<RuntimeVersion>,
}

/// `containerd.types.RuntimeVersion`.
#[derive(Clone, PartialEq, prost::Message)]
struct RuntimeVersion {
    #[prost(string, tag = "1")]
    version: String,
}
