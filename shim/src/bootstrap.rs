//! The `start` call: binds the task's socket, leaves a server behind and tells its address.
//!
//! ```text
//! supervisor ──exec──▶ start ──bind, listen──▶ fork ──▶ server (own session)
//!      ▲                                        │
//!      └────────── {"address": …}, exit ◀───────┘
//! ```
//! The socket is there before the fork, so the supervisor can connect at once; and the fork is before
//! any thread.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use gantry_linux::clone::{CloneOptions, spawn};
use gantry_probe::trace;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::arguments::Arguments;
use crate::server;

/// Why no server could be left behind.
#[derive(Debug, Error)]
pub(crate) enum BootstrapError {
    #[error("find the bundle")]
    Bundle(#[source] io::Error),
    #[error("listen at {path}")]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("fork the server")]
    Fork(#[source] io::Error),
    #[error("write {path}")]
    Address {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("tell the address")]
    Answer(#[source] io::Error),
}

/// What a server needs of its `start` call.
#[derive(Debug)]
pub(crate) struct Inheritance {
    pub(crate) namespace: String,
    pub(crate) id: String,
    pub(crate) supervisor: PathBuf,
    pub(crate) bundle: PathBuf,
    pub(crate) listener: UnixListener,
    /// The listener's file.
    pub(crate) socket: PathBuf,
}

/// Leaves a server behind and answers on stdout.
pub(crate) fn start(arguments: Arguments) -> Result<(), BootstrapError> {
    let _phase = trace::phase("shim start");
    let bundle = arguments
        .bundle
        .map_or_else(std::env::current_dir, Ok)
        .and_then(fs::canonicalize)
        .map_err(BootstrapError::Bundle)?;
    let socket = socket_path(&arguments.address, &arguments.namespace, &arguments.id);
    let address = format!("unix://{}", socket.display());
    if is_served(&socket) {
        // A supervisor that died between this call and `Create` asks again.
        return answer(&address);
    }
    let listener = listen(&socket).map_err(|source| BootstrapError::Listen {
        path: socket.clone(),
        source,
    })?;
    let path = bundle.join("address");
    fs::write(&path, &address).map_err(|source| BootstrapError::Address { path, source })?;

    let inheritance = Inheritance {
        namespace: arguments.namespace,
        id: arguments.id,
        supervisor: arguments.address,
        bundle,
        listener,
        socket,
    };
    spawn(&CloneOptions::default(), move || {
        trace::name_process();
        detach(&inheritance.bundle);
        match server::run(inheritance) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("containerd-shim-lite-v2: {}", gantry_errors::chain(&error));
                1
            }
        }
    })
    .map_err(BootstrapError::Fork)?;
    answer(&address)
}

fn answer(address: &str) -> Result<(), BootstrapError> {
    let answer = format!(r#"{{"version":3,"address":"{address}","protocol":"grpc"}}"#);
    io::stdout()
        .write_all(answer.as_bytes())
        .map_err(BootstrapError::Answer)
}

/// Whether a server of this task is there already.
fn is_served(path: &Path) -> bool {
    Short::of(path).is_ok_and(|short| UnixStream::connect(&short.path).is_ok())
}

/// A path that fits a socket address: through its folder's descriptor.
struct Short {
    path: PathBuf,
    _folder: OwnedFd,
}

impl Short {
    fn of(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let path = Path::new("/proc/self/fd")
            .join(folder.as_raw_fd().to_string())
            .join(path.file_name().unwrap_or_default());
        Ok(Self {
            path,
            _folder: folder,
        })
    }
}

/// `<folder of the supervisor's socket>/s/<16 hex digits of the task>`.
pub(crate) fn socket_path(supervisor: &Path, namespace: &str, id: &str) -> PathBuf {
    let digest = Sha256::digest(format!("{namespace}/{id}"));
    let name: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = match supervisor.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("/run/gantry"),
    };
    folder.join("s").join(name)
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(folder)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&Short::of(path)?.path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Becomes a daemon: a session of its own, no terminal, no inherited streams.
fn detach(bundle: &Path) {
    let _ = rustix::process::setsid();
    let _ = std::env::set_current_dir(bundle);
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let log = bundle.join("log");
        let is_fifo = fs::metadata(&log).is_ok_and(|meta| meta.file_type().is_fifo());
        // Both ends, without waiting: a supervisor that goes away, or never reads, stops nothing.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let log = is_fifo
            .then(|| rustix::fs::open(&log, flags, Mode::empty()).ok())
            .flatten();
        let _ = rustix::stdio::dup2_stderr(log.as_ref().unwrap_or(&null));
    }
    prefer_to_supervisor();
}

/// When memory runs out the shim should go before its supervisor and long after its container: one
/// more than what it inherited. Lowering it would need a right that the shim may not have.
fn prefer_to_supervisor() {
    const FILE: &str = "/proc/self/oom_score_adj";
    const MOST: i32 = 1000;
    let own = fs::read_to_string(FILE)
        .ok()
        .and_then(|text| text.trim().parse::<i32>().ok());
    if let Some(own) = own {
        let _ = fs::write(FILE, (own + 1).min(MOST).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lies_beside_the_supervisors_and_is_the_tasks_own() {
        let path = socket_path(Path::new("/run/g/containerd.sock"), "moby", "abc");
        assert_eq!(path.parent(), Some(Path::new("/run/g/s")));
        assert_eq!(path.file_name().unwrap().len(), 16);
        assert_ne!(
            path,
            socket_path(Path::new("/run/g/containerd.sock"), "moby", "abd")
        );
        assert_eq!(
            path,
            socket_path(Path::new("/run/g/containerd.sock"), "moby", "abc")
        );
    }
}
