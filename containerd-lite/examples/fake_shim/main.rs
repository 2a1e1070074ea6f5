//! A shim without containers, for the supervisor's tests: it speaks the whole protocol
//! (`docs/protocols/supervisor.md`) and its processes exist only in its memory.
//!
//! The spec tells it what to play: `{"fake":{"exit":7,"after_ms":30,"hang":"kill"}}`. `exit` and
//! `after_ms`: the container ends by itself with that status, that long after its start; without
//! `after_ms` it runs until it is killed. `hang`: a call that answers only once
//! there is a file `go` in the bundle.

mod task;

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gantry_proto::containerd::events::TaskExit;
use gantry_proto::containerd::services::events::v1::ForwardRequest;
use gantry_proto::containerd::services::events::v1::events_client::EventsClient;
use gantry_proto::containerd::task::v3::DeleteResponse;
use gantry_proto::containerd::task::v3::task_server::TaskServer;
use gantry_proto::containerd::types::Envelope;
use gantry_proto::containerd::v1::types::Status as Phase;
use gantry_proto::convert::{any, time};
use gantry_proto::{metadata, topic, uds};
use prost::{Message, Name};
use prost_types::Timestamp;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Status;

#[derive(Clone, Debug, Default)]
struct Arguments {
    namespace: String,
    address: PathBuf,
    id: String,
    action: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Play {
    #[serde(default)]
    exit: u32,
    after_ms: Option<u64>,
    #[serde(default)]
    hang: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    fake: Play,
}

fn main() {
    let mut arguments = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-namespace" => arguments.namespace = words.next().expect("a namespace"),
            "-address" => arguments.address = words.next().expect("an address").into(),
            "-id" => arguments.id = words.next().expect("an id"),
            "-bundle" => std::env::set_current_dir(words.next().expect("a bundle")).expect("enter"),
            "-debug" => {}
            action => action.clone_into(&mut arguments.action),
        }
    }
    match arguments.action.as_str() {
        "start" => start(&arguments),
        "serve" => serve(arguments),
        "delete" => delete(),
        other => panic!("unknown action {other:?}"),
    }
}

/// Leaves a server behind that has the listening socket as its stdin.
#[expect(
    clippy::zombie_processes,
    reason = "this process ends at once; init reaps the server"
)]
fn start(arguments: &Arguments) {
    let folder = arguments.address.parent().expect("a directory").join("s");
    std::fs::create_dir_all(&folder).expect("create the socket's folder");
    let socket = folder.join(format!("{}.{}", arguments.namespace, arguments.id));
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).expect("bind");
    Command::new(std::env::current_exe().expect("own path"))
        .args(["-namespace", &arguments.namespace, "-id", &arguments.id])
        .arg("-address")
        .arg(&arguments.address)
        .arg("serve")
        .stdin(std::os::fd::OwnedFd::from(listener))
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("serve");
    let address = socket.display();
    print!(r#"{{"version":3,"address":"unix://{address}","protocol":"grpc"}}"#);
}

/// Kills what is left and tells the exit that was written down.
fn delete() {
    if let Some(pid) = std::fs::read_to_string("fake.pid")
        .ok()
        .and_then(|pid| pid.parse().ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    let exit = std::fs::read("exit").ok();
    let exit = exit.and_then(|exit| DeleteResponse::decode(exit.as_slice()).ok());
    let exit = exit.unwrap_or_else(|| DeleteResponse {
        pid: 0,
        exit_status: 137,
        exited_at: Some(time::now()),
    });
    std::io::stdout()
        .write_all(&exit.encode_to_vec())
        .expect("answer");
}

#[tokio::main(flavor = "current_thread")]
async fn serve(arguments: Arguments) {
    let spec = std::fs::read("config.json").expect("read the spec");
    let play = serde_json::from_slice::<Spec>(&spec).expect("a spec").fake;
    std::fs::write("fake.pid", std::process::id().to_string()).expect("write the pid");
    let listener = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .expect("a socket");
    let listener = UnixListener::from(listener);
    listener.set_nonblocking(true).expect("non-blocking");
    let listener = tokio::net::UnixListener::from_std(listener).expect("listen");
    let (events, queue) = mpsc::unbounded_channel();
    tokio::spawn(forward(arguments.clone(), queue));
    let shim = Shim(Arc::new(Inner {
        arguments,
        play,
        events,
        processes: Mutex::default(),
    }));
    tonic::transport::Server::builder()
        .add_service(TaskServer::new(shim))
        .serve_with_incoming(UnixListenerStream::new(listener))
        .await
        .expect("serve");
}

/// Sends events in order, each until it was taken. They wait as files, so that no death loses them.
async fn forward(
    arguments: Arguments,
    mut queue: mpsc::UnboundedReceiver<Option<(u64, Envelope)>>,
) {
    while let Some(next) = queue.recv().await {
        let Some((number, envelope)) = next else {
            std::process::exit(0);
        };
        loop {
            let request = ForwardRequest {
                envelope: Some(envelope.clone()),
            };
            let request = metadata::in_namespace(request, &arguments.namespace).expect("request");
            let mut client = EventsClient::new(uds::connect_lazy(&arguments.address));
            if client.forward(request).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = std::fs::remove_file(format!("events/{number:020}"));
    }
}

#[derive(Clone, Debug)]
struct Process {
    phase: Phase,
    pid: u32,
    exit_status: u32,
    exited_at: Option<Timestamp>,
}

struct Inner {
    arguments: Arguments,
    play: Play,
    events: mpsc::UnboundedSender<Option<(u64, Envelope)>>,
    processes: Mutex<(u64, BTreeMap<String, Process>)>,
}

#[derive(Clone)]
struct Shim(Arc<Inner>);

impl Inner {
    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Process) -> T) -> Result<T, Status> {
        let mut all = self.processes.lock().expect("no panic under the lock");
        let process = all.1.get_mut(id);
        process
            .map(work)
            .ok_or_else(|| Status::not_found("process does not exist"))
    }

    fn publish<M: Message + Name>(&self, topic: &str, event: &M) {
        let envelope = Envelope {
            timestamp: Some(time::now()),
            namespace: self.arguments.namespace.clone(),
            topic: topic.to_owned(),
            event: Some(any::pack(event)),
        };
        let mut all = self.processes.lock().expect("no panic under the lock");
        all.0 += 1;
        std::fs::create_dir_all("events").expect("make the spool");
        write_whole(&format!("events/{:020}", all.0), &envelope.encode_to_vec());
        let _ = self.events.send(Some((all.0, envelope)));
    }

    fn ended(&self, exec_id: &str, status: u32) {
        let at = SystemTime::now();
        let ended = self.with(exec_id, |process| {
            if process.phase == Phase::Stopped {
                return None;
            }
            process.phase = Phase::Stopped;
            process.exit_status = status;
            process.exited_at = Some(time::to_wire(at));
            Some(process.pid)
        });
        let Ok(Some(pid)) = ended else { return };
        let id = self.arguments.id.clone();
        let exited_at = Some(time::to_wire(at));
        if exec_id.is_empty() {
            let exit = DeleteResponse {
                pid,
                exit_status: status,
                exited_at,
            };
            write_whole("exit", &exit.encode_to_vec());
        }
        let process = if exec_id.is_empty() { &id } else { exec_id };
        let event = TaskExit {
            container_id: id.clone(),
            id: process.to_owned(),
            pid,
            exit_status: status,
            exited_at,
        };
        self.publish(topic::TASK_EXIT, &event);
    }

    async fn play(&self, call: &str) {
        if self.play.hang == call {
            while !Path::new("go").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

fn write_whole(path: &str, bytes: &[u8]) {
    let new = Path::new(path).with_extension("new");
    std::fs::write(&new, bytes).expect("write");
    std::fs::rename(&new, path).expect("rename");
}
