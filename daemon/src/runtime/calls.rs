//! The calls to the supervisor, one function each.

use std::collections::BTreeMap;

use gantry_errors::ErrorKind;
use gantry_ids::ContainerId;
use gantry_proto::{
    containerd::services::{
        containers::v1::{
            Container, CreateContainerRequest, DeleteContainerRequest, container::Runtime,
        },
        tasks::v1::{
            CreateTaskRequest, DeleteProcessRequest, DeleteTaskRequest, ExecProcessRequest,
            GetRequest, KillRequest, ListPidsRequest, ListTasksRequest, PauseTaskRequest,
            ResizePtyRequest, ResumeTaskRequest, StartRequest, UpdateTaskRequest,
        },
        version::v1::version_client::VersionClient,
    },
    convert::any,
    metadata,
};

use tracing::{Instrument, debug_span};

use super::{
    Ended, NewExec, NewTask, Outcome, QUICK, RuntimeError, SLOW, Supervisor, Task, found, stamp,
    task, text, timed, wire_mount,
};

impl Supervisor {
    /// The supervisor's version and revision.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn version(&self) -> Outcome<(String, String)> {
        let mut client = VersionClient::new(self.channel.clone());
        let answer = timed(QUICK, client.version(self.request(())?)).await?;
        Ok((answer.version, answer.revision))
    }

    /// Defines the container and creates its task: the shim is spawned, the root mounted, the
    /// process waits for [`Self::start`].
    ///
    /// # Errors
    /// In containerd's words (`failed to create shim task: …`); nothing is left then.
    pub async fn create(&self, task: NewTask) -> Outcome<u32> {
        let id = task.id.as_str().to_owned();
        let options = any::pack(&gantry_proto::containerd::runc::v1::Options {
            binary_name: task.runtime.binary.clone(),
            root: task.runtime.root.clone(),
            systemd_cgroup: task.runtime.systemd_cgroup,
            no_pivot_root: task.runtime.no_pivot_root,
            no_new_keyring: task.runtime.no_new_keyring,
            ..Default::default()
        });
        self.define(&task, options.clone()).await?;
        let request = CreateTaskRequest {
            container_id: id.clone(),
            rootfs: task.rootfs.into_iter().map(wire_mount).collect(),
            stdin: task.stdin,
            stdout: task.output.clone(),
            stderr: if task.terminal {
                String::new()
            } else {
                task.output
            },
            terminal: task.terminal,
            options: Some(options),
            ..Default::default()
        };
        let mut client = self.tasks();
        let created = timed(SLOW, client.create(self.request(request)?));
        let created = created.instrument(debug_span!("Tasks/Create")).await;
        // What the shim mounted of them is its own by now.
        drop(task.layers);
        match created {
            Ok(answer) => Ok(answer.pid),
            Err(error) => {
                // The definition without a task is of no use; its loss is no second error.
                drop(self.undefine(&id).await);
                Err(error)
            }
        }
    }

    #[tracing::instrument(level = "debug", name = "Containers/Create", skip_all)]
    async fn define(&self, task: &NewTask, options: prost_types::Any) -> Outcome<()> {
        let id = task.id.as_str().to_owned();
        let container = Container {
            id: id.clone(),
            image: task.image.clone(),
            labels: BTreeMap::new(),
            runtime: Some(Runtime {
                name: task.runtime.shim.clone(),
                options: Some(options),
            }),
            spec: Some(any::pack_json(any::SPEC, task.spec.clone())),
            ..Default::default()
        };
        let mut client = self.containers();
        let request = || {
            let mut request = self.request(CreateContainerRequest {
                container: Some(container.clone()),
            })?;
            // Our own record is the durable one; this is made from it at every start.
            metadata::set_unsynced(&mut request);
            Ok::<_, RuntimeError>(request)
        };
        let first = timed(QUICK, client.create(request()?)).await;
        match first {
            Err(error) if error.kind == ErrorKind::AlreadyExists => {
                // Left by a start that was cut short.
                self.undefine(&id).await?;
                timed(QUICK, client.create(request()?)).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    #[tracing::instrument(level = "debug", name = "Containers/Delete", skip_all)]
    async fn undefine(&self, id: &str) -> Outcome<()> {
        let request = self.request(DeleteContainerRequest { id: id.to_owned() })?;
        found(
            timed(QUICK, self.containers().delete(request))
                .await
                .map(drop),
        )
    }

    /// Starts the task's process, or an exec's. Answers its pid.
    ///
    /// # Errors
    /// In the runtime's words.
    #[tracing::instrument(level = "debug", name = "Tasks/Start", skip_all)]
    pub async fn start(&self, id: &ContainerId, exec: &str) -> Outcome<u32> {
        let request = StartRequest {
            container_id: text(id),
            exec_id: exec.to_owned(),
        };
        let answer = timed(SLOW, self.tasks().start(self.request(request)?)).await?;
        Ok(answer.pid)
    }

    /// Deletes an ended task and the container's definition. One that is not there is no error.
    ///
    /// # Errors
    /// The task still runs, or cannot be taken down.
    #[tracing::instrument(level = "debug", name = "Tasks/Delete", skip_all)]
    pub async fn delete(&self, id: &ContainerId) -> Outcome<Option<Ended>> {
        let request = DeleteTaskRequest {
            container_id: text(id),
        };
        let ended = match timed(SLOW, self.tasks().delete(self.request(request)?)).await {
            Ok(answer) => Some(Ended {
                code: answer.exit_status,
                at: stamp(answer.exited_at.as_ref()),
            }),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        self.undefine(id.as_str()).await?;
        Ok(ended)
    }

    /// Sends a signal to the task's process (`exec` empty) or an exec's.
    ///
    /// # Errors
    /// The process has ended: not found.
    #[tracing::instrument(level = "debug", name = "Tasks/Kill", skip_all)]
    pub async fn kill(&self, id: &ContainerId, exec: &str, signal: u8) -> Outcome<()> {
        let request = KillRequest {
            container_id: text(id),
            exec_id: exec.to_owned(),
            signal: u32::from(signal),
            all: false,
        };
        timed(QUICK, self.tasks().kill(self.request(request)?))
            .await
            .map(drop)
    }

    /// Adds a process to a running task.
    ///
    /// # Errors
    /// In the runtime's words.
    #[tracing::instrument(level = "debug", name = "Tasks/Exec", skip_all)]
    pub async fn exec(&self, id: &ContainerId, exec: NewExec) -> Outcome<()> {
        let request = ExecProcessRequest {
            container_id: text(id),
            stdin: exec.stdin,
            stdout: exec.output.clone(),
            stderr: if exec.terminal {
                String::new()
            } else {
                exec.output
            },
            terminal: exec.terminal,
            spec: Some(any::pack_json(any::PROCESS, exec.process)),
            exec_id: exec.exec,
        };
        timed(SLOW, self.tasks().exec(self.request(request)?))
            .await
            .map(drop)
    }

    /// Forgets an ended exec. One that is not there is no error.
    ///
    /// # Errors
    /// It still runs.
    pub async fn delete_exec(&self, id: &ContainerId, exec: &str) -> Outcome<Option<Ended>> {
        let request = DeleteProcessRequest {
            container_id: text(id),
            exec_id: exec.to_owned(),
        };
        match timed(QUICK, self.tasks().delete_process(self.request(request)?)).await {
            Ok(answer) => Ok(Some(Ended {
                code: answer.exit_status,
                at: stamp(answer.exited_at.as_ref()),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the size of a terminal in characters.
    ///
    /// # Errors
    /// The process has none, or has ended.
    pub async fn resize(
        &self,
        id: &ContainerId,
        exec: &str,
        (width, height): (u32, u32),
    ) -> Outcome<()> {
        let request = ResizePtyRequest {
            container_id: text(id),
            exec_id: exec.to_owned(),
            width,
            height,
        };
        timed(QUICK, self.tasks().resize_pty(self.request(request)?))
            .await
            .map(drop)
    }

    /// Freezes the task.
    ///
    /// # Errors
    /// In the runtime's words.
    pub async fn pause(&self, id: &ContainerId) -> Outcome<()> {
        let request = self.request(PauseTaskRequest {
            container_id: text(id),
        })?;
        timed(SLOW, self.tasks().pause(request)).await.map(drop)
    }

    /// Thaws the task.
    ///
    /// # Errors
    /// In the runtime's words.
    pub async fn resume(&self, id: &ContainerId) -> Outcome<()> {
        let request = self.request(ResumeTaskRequest {
            container_id: text(id),
        })?;
        timed(SLOW, self.tasks().resume(request)).await.map(drop)
    }

    /// Changes limits; `resources` is the specification's `LinuxResources` as JSON.
    ///
    /// # Errors
    /// In the runtime's words.
    pub async fn update(&self, id: &ContainerId, resources: Vec<u8>) -> Outcome<()> {
        let request = UpdateTaskRequest {
            container_id: text(id),
            resources: Some(any::pack_json(any::LINUX_RESOURCES, resources)),
            ..Default::default()
        };
        timed(SLOW, self.tasks().update(self.request(request)?))
            .await
            .map(drop)
    }

    /// The processes of a task, as the host numbers them.
    ///
    /// # Errors
    /// The task does not exist.
    pub async fn pids(&self, id: &ContainerId) -> Outcome<Vec<u32>> {
        let request = self.request(ListPidsRequest {
            container_id: text(id),
        })?;
        let answer = timed(QUICK, self.tasks().list_pids(request)).await?;
        Ok(answer
            .processes
            .into_iter()
            .map(|process| process.pid)
            .collect())
    }

    /// One task; none where there is none.
    ///
    /// # Errors
    /// The supervisor does not answer.
    pub async fn get(&self, id: &ContainerId) -> Outcome<Option<Task>> {
        let request = self.request(GetRequest {
            container_id: text(id),
            exec_id: String::new(),
        })?;
        match timed(QUICK, self.tasks().get(request)).await {
            Ok(answer) => Ok(answer.process.map(task)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All tasks of the engine's namespace.
    ///
    /// # Errors
    /// The supervisor does not answer.
    pub async fn list(&self) -> Outcome<Vec<Task>> {
        let request = self.request(ListTasksRequest::default())?;
        let answer = timed(SLOW, self.tasks().list(request)).await?;
        Ok(answer.tasks.into_iter().map(task).collect())
    }
}
