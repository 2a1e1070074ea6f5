//! Hooks: programs that the configuration wants run at points of the container's life.
//!
//! Each gets the container's state as JSON on stdin. A failure stops what is being done, except after
//! the container is gone or running (`poststart`, `poststop`), where it is only logged.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gantry_linux::signal;
use oci_spec::runtime::Hook;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;

/// What is kept of a hook's output for the message.
const MAX_OUTPUT: u64 = 64 << 10;

/// When it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    Prestart,
    CreateRuntime,
    CreateContainer,
    StartContainer,
    Poststart,
    Poststop,
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        })
    }
}

/// What a hook is told.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookState {
    pub(crate) oci_version: String,
    pub(crate) id: String,
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) pid: i32,
    pub(crate) bundle: PathBuf,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

/// A hook that failed. The words are runc's.
#[derive(Debug, thiserror::Error)]
#[error("error running {kind} hook #{index}")]
pub(crate) struct HookError {
    kind: HookKind,
    index: usize,
    #[source]
    source: HookFailure,
}

#[derive(Debug, thiserror::Error)]
enum HookFailure {
    #[error("fork/exec {path}", path = path.display())]
    Spawn {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{status}, stdout: {stdout}, stderr: {stderr}")]
    Failed {
        status: String,
        stdout: String,
        stderr: String,
    },
    #[error("hook ran past specified timeout of {seconds}.0s")]
    Timeout { seconds: u64 },
    #[error("wait for the hook")]
    Wait(#[source] io::Error),
}

/// Runs the hooks of one kind in order; stops at the first that fails.
pub(crate) fn run(kind: HookKind, hooks: &[Hook], state: &HookState) -> Result<(), HookError> {
    if hooks.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_vec(state).expect("strings and numbers always become JSON");
    for (index, hook) in hooks.iter().enumerate() {
        run_one(hook, &json).map_err(|source| HookError {
            kind,
            index,
            source,
        })?;
    }
    Ok(())
}

fn run_one(hook: &Hook, state: &[u8]) -> Result<(), HookFailure> {
    let mut command = Command::new(hook.path());
    if let Some((name, rest)) = hook.args().as_ref().and_then(|args| args.split_first()) {
        command.arg0(name).args(rest);
    }
    if let Some(env) = hook.env() {
        command
            .env_clear()
            .envs(env.iter().filter_map(|variable| variable.split_once('=')));
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| HookFailure::Spawn {
        path: hook.path().clone(),
        source,
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read its state.
        let _closed = stdin.write_all(state);
    }
    let seconds = hook
        .timeout()
        .and_then(|seconds| u64::try_from(seconds).ok());
    let (status, stdout, stderr) = collect(&mut child, seconds)?;
    if status.success() {
        return Ok(());
    }
    let status = match status.signal() {
        Some(signal) => format!("signal: {signal}"),
        None => format!("exit status {}", status.code().unwrap_or(-1)),
    };
    Err(HookFailure::Failed {
        status,
        stdout,
        stderr,
    })
}

/// Waits for the hook while taking its output, so that a talkative one is not stuck on a full pipe.
fn collect(
    child: &mut Child,
    timeout: Option<u64>,
) -> Result<(ExitStatus, String, String), HookFailure> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.expect("a child has a pid"), PidfdFlags::empty())
        .map_err(|error| HookFailure::Wait(error.into()))?;
    let stdout: Option<OwnedFd> = child.stdout.take().map(OwnedFd::from);
    let stderr: Option<OwnedFd> = child.stderr.take().map(OwnedFd::from);
    let mut outputs = [(stdout, Vec::new()), (stderr, Vec::new())];
    let deadline = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let mut polled: Vec<PollFd<'_>> = outputs
            .iter()
            .filter_map(|(fd, _)| Some(PollFd::new(fd.as_ref()?, PollFlags::IN)))
            .collect();
        polled.push(PollFd::new(&pidfd, PollFlags::IN));
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, left.as_ref()) {
            Ok(0) => {
                let _gone = signal::send(pidfd.as_fd(), 9);
                let _reaped = child.wait();
                return Err(HookFailure::Timeout {
                    seconds: timeout.unwrap_or(0),
                });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(HookFailure::Wait(error.into())),
        }
        let exited = polled
            .last()
            .is_some_and(|fd| fd.revents().contains(PollFlags::IN));
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        let open = outputs.iter_mut().filter(|(fd, _)| fd.is_some());
        for ((fd, text), _) in open.zip(ready).filter(|(_, ready)| *ready) {
            take(fd, text);
        }
        if exited {
            let status = child.wait().map_err(HookFailure::Wait)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            return Ok((status, text(&outputs[0].1), text(&outputs[1].1)));
        }
    }
}

/// Takes what is there; at the end the descriptor is dropped.
fn take(fd: &mut Option<OwnedFd>, text: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    let Some(open) = fd else { return };
    match rustix::io::read(open, &mut buffer) {
        Ok(0) | Err(_) => *fd = None,
        Ok(read) => {
            let room = usize::try_from(MAX_OUTPUT)
                .unwrap_or(0)
                .saturating_sub(text.len());
            let _kept = buffer[..read.min(room)].as_ref().read_to_end(text);
        }
    }
}
