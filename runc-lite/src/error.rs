//! The sum of what a call of the runtime can fail with, and how it is told.

use std::error::Error;
use std::io;

use gantry_cgroup::{CgroupError, SystemdError};
use gantry_errors::chain;

use crate::hooks::HookError;
use crate::init::InitError;
use crate::launch::LaunchError;
use crate::log::LogError;
use crate::plan::PlanError;
use crate::protect::ProtectError;
use crate::spec::SpecError;
use crate::state::{StateError, Status};

/// What a verb failed with. The words are runc's: containerd and Docker look for some of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Protect(#[from] ProtectError),
    #[error("invalid rootfs: stat {path}", path = path.display())]
    Rootfs {
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("invalid rootfs: {path} is not a directory", path = path.display())]
    RootfsNotDirectory { path: std::path::PathBuf },
    #[error("container's cgroup is not empty: {count} process(es) found")]
    CgroupNotEmpty { count: usize },
    #[error("cannot allocate tty if runc will detach without setting console socket")]
    DetachedTerminal,
    #[error("cannot use console socket if runc will not detach or allocate tty")]
    NeedlessConsoleSocket,
    #[error("preserved descriptor {descriptor} is not open")]
    NotPreserved { descriptor: u32 },
    #[error("connect to {path}", path = path.display())]
    Socket {
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write pid file {path}", path = path.display())]
    PidFile {
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot start an already running container")]
    AlreadyRunning,
    #[error("cannot start a container that has stopped")]
    StartStopped,
    #[error("cannot start a container in the {0} state")]
    StartState(Status),
    #[error("start the container")]
    Start(#[source] io::Error),
    #[error("container not running")]
    NotRunning,
    #[error("container with id {id} is not running")]
    IdNotRunning { id: String },
    #[error("container not paused")]
    NotPaused,
    #[error("cannot delete container {id} that is not stopped: {status}")]
    DeleteNotStopped { id: String, status: Status },
    #[error("cannot exec in a stopped container")]
    ExecStopped,
    #[error("cannot exec in a paused container (use --ignore-paused to override)")]
    ExecPaused,
    #[error("unknown signal {name:?}")]
    UnknownSignal { name: String },
    #[error("kill the container")]
    Kill(#[source] io::Error),
    #[error("wait for the container")]
    Wait(#[source] io::Error),
    #[error("{step}")]
    Io {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("File {path} exists. Remove it first")]
    FileExists { path: &'static str },
    #[error("parse {what}")]
    Json {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("invalid value {value:?} for {flag}")]
    Value { flag: &'static str, value: String },
}

/// An error as runc tells it: the chain in one line, the kernel's reasons in Go's spelling.
pub(crate) fn tell(error: &(dyn Error + 'static)) -> String {
    go_reasons(&chain(error).to_string())
}

/// `Permission denied (os error 13)` is `permission denied` in runc's mouth, and clients look for it.
pub(crate) fn go_reasons(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(" (os error ") {
        let (before, after) = rest.split_at(at);
        let start = before.rfind(": ").map_or(0, |colon| colon + 2);
        told.push_str(&before[..start]);
        let reason = &before[start..];
        let mut letters = reason.chars();
        told.extend(letters.next().map(|first| first.to_ascii_lowercase()));
        told.push_str(letters.as_str());
        rest = after.find(')').map_or("", |end| &after[end + 1..]);
    }
    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use super::go_reasons;

    #[test]
    fn reasons_are_spelled_as_in_go() {
        let text = "a: open /B: No such file or directory (os error 2): tail";
        assert_eq!(
            go_reasons(text),
            "a: open /B: no such file or directory: tail"
        );
        assert_eq!(go_reasons("plain"), "plain");
    }
}
