//! One supervisor on directories of its own, killed and started again at will.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_proto::containerd::services::containers::v1::containers_client::ContainersClient;
use gantry_proto::containerd::services::containers::v1::{
    Container, CreateContainerRequest, DeleteContainerRequest, container,
};
use gantry_proto::containerd::services::tasks::v1 as wire;
use gantry_proto::containerd::services::tasks::v1::tasks_client::TasksClient;
use gantry_proto::containerd::v1::types::Process;
use gantry_proto::convert::any;
use gantry_proto::{metadata, uds};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::real::Real;

/// The namespace of all tests' containers; each test has a supervisor of its own.
pub(crate) const NAMESPACE: &str = "test";

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Engine {
    root: TempDir,
    child: Option<Child>,
    real: Option<Real>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
        // Shims outlive their supervisor; these are told where their pids are.
        for bundle in self.bundles() {
            match &self.real {
                None => kill_shim(&bundle),
                Some(real) => real.remove(self, &bundle),
            }
        }
    }
}

/// Kills the fake shim of a bundle.
pub(crate) fn kill_shim(bundle: &Path) {
    let pid = std::fs::read_to_string(bundle.join("fake.pid")).unwrap_or_default();
    if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Polls until `state` holds.
pub(crate) async fn eventually(what: &str, mut state: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !state().await {
        assert!(begin.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

impl Engine {
    /// Directories without a supervisor.
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::Builder::new()
                .prefix("sup-it")
                .tempdir()
                .expect("temporary directory"),
            child: None,
            real: None,
        }
    }

    /// Directories without a supervisor, for the shim and the runtime that users get.
    pub(crate) fn with_real_shim() -> Self {
        let mut engine = Self::new();
        engine.real = Some(Real::find(engine.path()));
        engine
    }

    /// What its containers are made of, if they really run.
    pub(crate) fn real(&self) -> &Real {
        self.real.as_ref().expect("a supervisor with the real shim")
    }

    /// A running supervisor.
    pub(crate) async fn running() -> Self {
        let mut engine = Self::new();
        engine.start(&[]).await;
        engine
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn address(&self) -> PathBuf {
        self.path().join("c.sock")
    }

    pub(crate) fn command(&self) -> Command {
        let shim = self
            .real
            .as_ref()
            .map_or_else(fake_shim, |real| real.shim.clone());
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join("log"))
            .expect("open the log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_containerd-lite"));
        command
            .arg("--root")
            .arg(self.path().join("root"))
            .arg("--state")
            .arg(self.path().join("state"))
            .arg("--address")
            .arg(self.address())
            .arg("--shim")
            .arg(shim)
            .stdin(Stdio::null())
            .stderr(log);
        command
    }

    /// Starts the supervisor and waits until it answers.
    pub(crate) async fn start(&mut self, environment: &[(&str, &str)]) {
        assert!(self.child.is_none(), "one at a time");
        let mut command = self.command();
        command.envs(environment.iter().copied());
        let child = command.spawn().expect("the supervisor's binary");
        let own = i32::try_from(child.id()).ok();
        self.child = Some(child);
        // Not the socket of one that was killed, which a child of its own may hold until it executes.
        eventually("the supervisor listens", async || {
            let stream = uds::stream(&self.address()).await;
            let peer = stream.and_then(|stream| stream.peer_cred());
            peer.is_ok_and(|peer| peer.pid() == own)
        })
        .await;
    }

    /// How many sockets the supervisor has open.
    pub(crate) fn sockets(&self) -> usize {
        let pid = self.child.as_ref().expect("it was started").id();
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors");
        open.flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("reaped");
        }
    }

    /// Waits for a supervisor that a failpoint kills.
    pub(crate) async fn died(&mut self) {
        let mut child = self.child.take().expect("it was started");
        eventually("the failpoint is reached", async || {
            child.try_wait().expect("waited").is_some()
        })
        .await;
    }

    pub(crate) fn channel(&self) -> Channel {
        uds::connect_lazy(&self.address())
    }

    pub(crate) fn tasks(&self) -> TasksClient<Channel> {
        TasksClient::new(self.channel())
    }

    pub(crate) fn bundle(&self, id: &str) -> PathBuf {
        self.path()
            .join("state/io.containerd.runtime.v2.task")
            .join(NAMESPACE)
            .join(id)
    }

    pub(crate) fn bundles(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.bundle("")) else {
            return Vec::new();
        };
        entries.map(|entry| entry.expect("listed").path()).collect()
    }

    /// Defines a container that plays `play` (the fake shim's JSON).
    pub(crate) async fn define(&self, id: &str, play: &str) -> Result<(), Status> {
        let spec = match &self.real {
            None => format!(r#"{{"fake":{play}}}"#),
            Some(real) => real.spec(id, play),
        };
        let container = Container {
            id: id.to_owned(),
            runtime: Some(container::Runtime {
                name: "io.containerd.runc.v2".to_owned(),
                options: None,
            }),
            spec: Some(any::pack_json(any::SPEC, spec.into_bytes())),
            ..Container::default()
        };
        let container = Some(container);
        let request = within(CreateContainerRequest { container });
        ContainersClient::new(self.channel())
            .create(request)
            .await?;
        Ok(())
    }

    pub(crate) async fn undefine(&self, id: &str) -> Result<(), Status> {
        let request = within(DeleteContainerRequest { id: id.to_owned() });
        ContainersClient::new(self.channel())
            .delete(request)
            .await?;
        Ok(())
    }

    pub(crate) async fn create(&self, id: &str) -> Result<u32, Status> {
        let mut request = wire::CreateTaskRequest {
            container_id: id.to_owned(),
            ..wire::CreateTaskRequest::default()
        };
        if let Some(real) = &self.real {
            request.rootfs = vec![real.rootfs.clone()];
            request.options = Some(real.options.clone());
        }
        let request = within(request);
        Ok(self.tasks().create(request).await?.into_inner().pid)
    }

    pub(crate) async fn begin(&self, id: &str) -> Result<(), Status> {
        let container_id = id.to_owned();
        let exec_id = String::new();
        let request = within(wire::StartRequest {
            container_id,
            exec_id,
        });
        self.tasks().start(request).await?;
        Ok(())
    }

    /// Defines, creates and starts.
    pub(crate) async fn run(&self, id: &str, play: &str) {
        self.define(id, play).await.expect("defined");
        self.create(id).await.expect("created");
        self.begin(id).await.expect("started");
    }

    pub(crate) async fn signal(&self, id: &str, signal: u32) -> Result<(), Status> {
        let request = within(wire::KillRequest {
            container_id: id.to_owned(),
            signal,
            ..wire::KillRequest::default()
        });
        self.tasks().kill(request).await?;
        Ok(())
    }

    pub(crate) async fn wait(&self, id: &str) -> Result<u32, Status> {
        let container_id = id.to_owned();
        let exec_id = String::new();
        let request = within(wire::WaitRequest {
            container_id,
            exec_id,
        });
        Ok(self.tasks().wait(request).await?.into_inner().exit_status)
    }

    pub(crate) async fn delete(&self, id: &str) -> Result<wire::DeleteResponse, Status> {
        let container_id = id.to_owned();
        let request = within(wire::DeleteTaskRequest { container_id });
        Ok(self.tasks().delete(request).await?.into_inner())
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Process, Status> {
        let container_id = id.to_owned();
        let exec_id = String::new();
        let request = within(wire::GetRequest {
            container_id,
            exec_id,
        });
        let answer = self.tasks().get(request).await?.into_inner();
        Ok(answer.process.expect("a process"))
    }

    pub(crate) async fn list(&self) -> Vec<String> {
        let request = within(wire::ListTasksRequest::default());
        let answer = self
            .tasks()
            .list(request)
            .await
            .expect("listed")
            .into_inner();
        answer
            .tasks
            .into_iter()
            .map(|task| task.container_id)
            .collect()
    }

    /// No bundle is left, nor anything that a real shim makes.
    pub(crate) async fn clean(&self) {
        eventually("bundles are gone", async || self.bundles().is_empty()).await;
        if let Some(real) = &self.real {
            real.clean(self).await;
        }
    }
}

fn fake_shim() -> PathBuf {
    let mut shim = std::env::current_exe().expect("own path");
    shim.pop();
    let shim = shim.with_file_name("examples").join("fake_shim");
    assert!(
        shim.exists(),
        "{} is missing: `cargo build -p containerd-lite --examples` builds it",
        shim.display()
    );
    shim
}

/// A request in the tests' namespace.
pub(crate) fn within<T>(message: T) -> Request<T> {
    metadata::in_namespace(message, NAMESPACE).expect("a namespace")
}
