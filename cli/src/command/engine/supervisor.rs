//! The engine's own supervisor. It outlives the engine for the sake of running containers; where
//! none is left, `engine stop --all` ends it too.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long it may take to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Ends the supervisor that serves beneath `exec_root`, if one does. An engine with `--containerd`
/// has none there.
pub(super) fn end(exec_root: &Path) {
    let Ok(stream) = UnixStream::connect(exec_root.join("containerd/containerd.sock")) else {
        return;
    };
    let Ok(peer) = socket_peercred(&stream) else {
        return;
    };
    let Ok(process) = pidfd_open(peer.pid, PidfdFlags::empty()) else {
        return;
    };
    let comm = format!("/proc/{}/comm", peer.pid.as_raw_nonzero());
    if fs::read_to_string(comm).is_ok_and(|name| name.starts_with("containerd-lite")) {
        drop(stream);
        // One that has just ended needs no signal, and no waiting.
        let _ = pidfd_send_signal(&process, Signal::TERM);
        let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&PATIENCE));
    }
}
