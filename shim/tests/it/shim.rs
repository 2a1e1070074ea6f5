//! One shim with its bundle, its supervisor and a client; and a check that nothing of it is left.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gantry_proto::containerd::runc::v1::Options;
use gantry_proto::containerd::task::v3::task_client::TaskClient;
use gantry_proto::containerd::task::v3::{
    ConnectRequest, CreateTaskRequest, DeleteRequest, DeleteResponse, KillRequest, ShutdownRequest,
    StartRequest, WaitRequest,
};
use gantry_proto::convert::any;
use gantry_proto::uds;
use gantry_stdio::{Answer, Attach, Connection, JsonFile, Request, StdioUri};
use prost::Message;
use tonic::transport::Channel;

use crate::bundle;
use crate::supervisor::Supervisor;

pub(crate) const NAMESPACE: &str = "shim-test";
const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until `found` finds something.
pub(crate) async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Which runtime runs beneath.
pub(crate) fn runtime() -> PathBuf {
    if let Some(runtime) = std::env::var_os("GANTRY_TEST_RUNTIME") {
        return runtime.into();
    }
    let peers = std::env::var_os("GANTRY_PEERS")
        .expect("GANTRY_PEERS names the stock engines: run `cargo xtask test`");
    Path::new(&peers).join("bin/runc")
}

pub(crate) struct Shim {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) id: String,
    pub(crate) supervisor: Supervisor,
    pub(crate) client: TaskClient<Channel>,
    pub(crate) pid: u32,
    terminal: bool,
}

impl Shim {
    /// A running shim whose bundle runs `command`.
    pub(crate) async fn start(command: &[&str]) -> Self {
        Self::start_with(command, false).await
    }

    pub(crate) async fn start_with(command: &[&str], terminal: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("gs").tempdir().unwrap();
        let id = folder
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('.', "");
        let bundle = folder.path().join("bundle");
        std::fs::create_dir(&bundle).unwrap();
        bundle::write(&bundle, &id, command, terminal);
        let supervisor = Supervisor::start(folder.path());
        let address = call(&supervisor.address, &bundle, &id, "start");
        let address: serde_json::Value = serde_json::from_slice(&address).unwrap();
        assert_eq!(
            (&address["version"], &address["protocol"]),
            (&3.into(), &"grpc".into())
        );
        let address = address["address"].as_str().unwrap();
        let mut client = TaskClient::new(uds::connect(uds::path_of(address)).await.unwrap());
        let connected = client
            .connect(ConnectRequest { id: id.clone() })
            .await
            .unwrap()
            .into_inner();
        Self {
            folder,
            id,
            supervisor,
            client,
            pid: connected.shim_pid,
            terminal,
        }
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("json.log")
    }

    /// Our URI, with an unlimited log.
    pub(crate) fn uri(&self) -> StdioUri {
        StdioUri {
            socket: self.folder.path().join("io.sock"),
            log: Some(JsonFile::unlimited(self.log())),
            stdin_once: false,
        }
    }

    pub(crate) fn request(&self, stdio: [&str; 3]) -> CreateTaskRequest {
        let options = Options {
            binary_name: runtime().to_str().unwrap().to_owned(),
            root: self.folder.path().join("rt").to_str().unwrap().to_owned(),
            ..Options::default()
        };
        CreateTaskRequest {
            id: self.id.clone(),
            bundle: self.bundle().to_str().unwrap().to_owned(),
            terminal: self.terminal,
            stdin: stdio[0].to_owned(),
            stdout: stdio[1].to_owned(),
            stderr: stdio[2].to_owned(),
            options: Some(any::pack(&options)),
            ..CreateTaskRequest::default()
        }
    }

    /// Creates the container with our stdio and no input.
    pub(crate) async fn create(&mut self) -> u32 {
        let uri = self.uri();
        self.create_with(&uri, false).await
    }

    pub(crate) async fn create_with(&mut self, uri: &StdioUri, stdin: bool) -> u32 {
        let uri = uri.to_string();
        let request = self.request([if stdin { &uri } else { "" }, &uri, &uri]);
        self.client.create(request).await.unwrap().into_inner().pid
    }

    pub(crate) async fn run(&mut self) {
        self.start_process("").await;
    }

    pub(crate) async fn start_process(&mut self, exec_id: &str) -> u32 {
        let request = StartRequest {
            id: self.id.clone(),
            exec_id: exec_id.to_owned(),
        };
        self.client.start(request).await.unwrap().into_inner().pid
    }

    /// The exit status once it is announced.
    pub(crate) async fn wait(&mut self, exec_id: &str) -> u32 {
        let request = WaitRequest {
            id: self.id.clone(),
            exec_id: exec_id.to_owned(),
        };
        self.client
            .wait(request)
            .await
            .unwrap()
            .into_inner()
            .exit_status
    }

    pub(crate) async fn kill(&mut self, signal: u32) {
        let request = KillRequest {
            id: self.id.clone(),
            signal,
            ..KillRequest::default()
        };
        self.client.kill(request).await.unwrap();
    }

    pub(crate) async fn delete(&mut self, exec_id: &str) -> DeleteResponse {
        let request = DeleteRequest {
            id: self.id.clone(),
            exec_id: exec_id.to_owned(),
        };
        self.client.delete(request).await.unwrap().into_inner()
    }

    /// The `delete` call of the binary.
    pub(crate) fn cleanup(&self) -> DeleteResponse {
        let answer = call(&self.supervisor.address, &self.bundle(), &self.id, "delete");
        DeleteResponse::decode(answer.as_slice()).unwrap()
    }

    /// Attaches a client to a process; what the process gets and gives is on the stream.
    pub(crate) fn attach(&self, attach: Attach) -> (Connection, UnixStream) {
        let connection = Connection::connect(&self.uri().socket).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let descriptor = std::os::fd::AsFd::as_fd(&theirs);
        connection
            .send_request(&Request::Attach(attach), Some(descriptor))
            .unwrap();
        drop(theirs);
        let (answer, _) = connection.recv_answer().unwrap().unwrap();
        assert_eq!(answer, Answer::Ok(true));
        (connection, ours)
    }

    /// Deletes the ended container, ends the shim, and looks for what may be left.
    pub(crate) async fn finish(mut self) {
        self.delete("").await;
        let request = ShutdownRequest {
            id: self.id.clone(),
            now: false,
        };
        self.client.shutdown(request).await.unwrap();
        self.expect_nothing_left().await;
    }

    pub(crate) async fn expect_nothing_left(&self) {
        let process = PathBuf::from(format!("/proc/{}", self.pid));
        eventually("the shim's end", || (!process.exists()).then_some(())).await;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let folder = self.folder.path().to_str().unwrap();
        assert!(!mounts.contains(folder), "a mount is left");
        for controller in ["memory", "pids", "freezer", "unified", ""] {
            let group = Path::new("/sys/fs/cgroup")
                .join(controller)
                .join("gantry-shim-test");
            assert!(!group.join(&self.id).exists(), "a control group is left");
        }
        let sockets = self.folder.path().join("s");
        assert_eq!(
            std::fs::read_dir(sockets).unwrap().count(),
            0,
            "a socket is left"
        );
    }
}

/// Whatever a failed test leaves is taken away by the shim's own means.
impl Drop for Shim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(pid) = rustix::process::Pid::from_raw(self.pid.cast_signed()) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            let _ = self.cleanup();
        }
    }
}

/// The shim under test; `GANTRY_TEST_SHIM` names another build of it, for figures.
fn binary() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_containerd-shim-lite-v2");
    std::env::var_os("GANTRY_TEST_SHIM").map_or_else(|| built.into(), PathBuf::from)
}

/// Runs the binary as a supervisor does and returns what it says.
pub(crate) fn call(address: &Path, bundle: &Path, id: &str, action: &str) -> Vec<u8> {
    let mut command = Command::new(binary());
    command
        .args(["-namespace", NAMESPACE, "-id", id, "-address"])
        .arg(address);
    if action == "delete" {
        command.arg("-bundle").arg(bundle);
    }
    let output = command
        .arg(action)
        .current_dir(bundle)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{action}: {said}");
    output.stdout
}
