//! Processes that a test ends.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// Sends a signal; a process that has just ended needs none.
///
/// # Panics
/// When `id` is no process id.
pub(crate) fn signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    let _ = kill_process(id.expect("a process id"), signal);
}

/// Kills processes and waits until they hold nothing any more: who connects to a socket of a dying
/// process is cut off.
///
/// # Panics
/// When one lives on.
pub(crate) fn kill(victims: &[u32]) {
    for victim in victims {
        signal(*victim, Signal::KILL);
    }
    eventually("killed processes are dead", Duration::from_secs(10), || {
        victims
            .iter()
            .all(|victim| has_let_go(*victim))
            .then_some(())
    });
}

/// Whether a killed process is gone, or a zombie, which holds nothing (proc_pid_stat(5)).
fn has_let_go(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
