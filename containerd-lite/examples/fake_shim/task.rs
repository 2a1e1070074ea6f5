//! The Task service of the fake shim.

use std::sync::Arc;
use std::time::Duration;

use gantry_proto::containerd::events::{TaskCreate, TaskDelete, TaskStart};
use gantry_proto::containerd::task::v3::task_server::Task;
use gantry_proto::containerd::task::v3::{self as wire, DeleteResponse};
use gantry_proto::containerd::v1::types::Status as Phase;
use gantry_proto::topic;
use tonic::{Request, Response, Status};

use crate::{Inner, Process, Shim};

fn unimplemented<T>(call: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(format!(
        "the fake shim has no {call}"
    )))
}

#[tonic::async_trait]
impl Task for Shim {
    async fn state(
        &self,
        request: Request<wire::StateRequest>,
    ) -> Result<Response<wire::StateResponse>, Status> {
        self.0.play("state").await;
        let wire::StateRequest { id, exec_id } = request.into_inner();
        let process = self.0.with(&exec_id, |process| process.clone())?;
        Ok(Response::new(wire::StateResponse {
            id,
            pid: process.pid,
            status: process.phase.into(),
            exit_status: process.exit_status,
            exited_at: process.exited_at,
            exec_id,
            ..wire::StateResponse::default()
        }))
    }

    async fn create(
        &self,
        _: Request<wire::CreateTaskRequest>,
    ) -> Result<Response<wire::CreateTaskResponse>, Status> {
        self.0.play("create").await;
        let pid = std::process::id();
        add(&self.0, "");
        let event = TaskCreate {
            container_id: self.0.arguments.id.clone(),
            pid,
            ..TaskCreate::default()
        };
        self.0.publish(topic::TASK_CREATE, &event);
        Ok(Response::new(wire::CreateTaskResponse { pid }))
    }

    async fn start(
        &self,
        request: Request<wire::StartRequest>,
    ) -> Result<Response<wire::StartResponse>, Status> {
        self.0.play("start").await;
        let exec_id = request.into_inner().exec_id;
        let pid = self.0.with(&exec_id, |process| {
            process.phase = Phase::Running;
            process.pid
        })?;
        let container_id = self.0.arguments.id.clone();
        self.0
            .publish(topic::TASK_START, &TaskStart { container_id, pid });
        if let Some(after) = self.0.play.after_ms {
            let inner = Arc::clone(&self.0);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                inner.ended(&exec_id, inner.play.exit);
            });
        }
        Ok(Response::new(wire::StartResponse { pid }))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let exec_id = request.into_inner().exec_id;
        let process = {
            let mut all = self.0.processes.lock().expect("no panic under the lock");
            all.1.remove(&exec_id)
        };
        let process = process.ok_or_else(|| Status::not_found("process does not exist"))?;
        let event = TaskDelete {
            container_id: self.0.arguments.id.clone(),
            pid: process.pid,
            exit_status: process.exit_status,
            exited_at: process.exited_at,
            id: exec_id,
        };
        self.0.publish(topic::TASK_DELETE, &event);
        Ok(Response::new(DeleteResponse {
            pid: process.pid,
            exit_status: process.exit_status,
            exited_at: process.exited_at,
        }))
    }

    async fn kill(&self, request: Request<wire::KillRequest>) -> Result<Response<()>, Status> {
        self.0.play("kill").await;
        let request = request.into_inner();
        self.0.with(&request.exec_id, |_| ())?;
        self.0.ended(&request.exec_id, 128 + request.signal);
        Ok(Response::new(()))
    }

    async fn exec(
        &self,
        request: Request<wire::ExecProcessRequest>,
    ) -> Result<Response<()>, Status> {
        add(&self.0, &request.into_inner().exec_id);
        Ok(Response::new(()))
    }

    async fn connect(
        &self,
        _: Request<wire::ConnectRequest>,
    ) -> Result<Response<wire::ConnectResponse>, Status> {
        Ok(Response::new(wire::ConnectResponse {
            shim_pid: std::process::id(),
            ..wire::ConnectResponse::default()
        }))
    }

    async fn shutdown(&self, _: Request<wire::ShutdownRequest>) -> Result<Response<()>, Status> {
        // Ends once all events have gone out.
        let _ = self.0.events.send(None);
        Ok(Response::new(()))
    }

    async fn stats(
        &self,
        _: Request<wire::StatsRequest>,
    ) -> Result<Response<wire::StatsResponse>, Status> {
        self.0.play("stats").await;
        Ok(Response::new(wire::StatsResponse::default()))
    }

    async fn pids(
        &self,
        _: Request<wire::PidsRequest>,
    ) -> Result<Response<wire::PidsResponse>, Status> {
        unimplemented("Pids")
    }

    async fn pause(&self, _: Request<wire::PauseRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }

    async fn resume(&self, _: Request<wire::ResumeRequest>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }

    async fn checkpoint(
        &self,
        _: Request<wire::CheckpointTaskRequest>,
    ) -> Result<Response<()>, Status> {
        unimplemented("Checkpoint")
    }

    async fn resize_pty(&self, _: Request<wire::ResizePtyRequest>) -> Result<Response<()>, Status> {
        unimplemented("ResizePty")
    }

    async fn close_io(&self, _: Request<wire::CloseIoRequest>) -> Result<Response<()>, Status> {
        unimplemented("CloseIO")
    }

    async fn update(&self, _: Request<wire::UpdateTaskRequest>) -> Result<Response<()>, Status> {
        unimplemented("Update")
    }

    async fn wait(
        &self,
        _: Request<wire::WaitRequest>,
    ) -> Result<Response<wire::WaitResponse>, Status> {
        unimplemented("Wait")
    }
}

fn add(inner: &Inner, exec_id: &str) {
    let process = Process {
        phase: Phase::Created,
        pid: std::process::id(),
        exit_status: 0,
        exited_at: None,
    };
    let mut all = inner.processes.lock().expect("no panic under the lock");
    all.1.insert(exec_id.to_owned(), process);
}
