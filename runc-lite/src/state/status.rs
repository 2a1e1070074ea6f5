//! Is it created, running, paused or stopped? Nobody keeps that: it is looked up each time.

use std::fmt;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::state::{ContainerDirectory, Record};

/// The states of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Created,
    Running,
    Paused,
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

impl Status {
    /// Looks.
    pub(crate) fn of(record: &Record, directory: &ContainerDirectory) -> Self {
        if !is_alive(record) {
            return Self::Stopped;
        }
        if record.cgroup().is_frozen().unwrap_or(false) {
            return Self::Paused;
        }
        if directory.fifo().exists() {
            Self::Created
        } else {
            Self::Running
        }
    }

    /// Whether there is a process.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self, Self::Stopped)
    }
}

/// The first process, if it still is the one that was made.
pub(crate) fn open_process(record: &Record) -> Option<OwnedFd> {
    let pid = Pid::from_raw(record.pid)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    // Opened first, then compared: what is compared is what was opened.
    is_alive(record).then_some(pidfd)
}

fn is_alive(record: &Record) -> bool {
    process_start_time(record.pid)
        .is_some_and(|(start, zombie)| start == record.start_time && !zombie)
}

/// When a process was started (clock ticks since boot), and whether it is only waiting to be reaped.
pub(crate) fn process_start_time(pid: i32) -> Option<(u64, bool)> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    parse_stat(&stat)
}

/// `pid (name) state … starttime …`; the name may hold anything, so from its last bracket on.
fn parse_stat(stat: &str) -> Option<(u64, bool)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((start, matches!(state, "Z" | "X")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_name() {
        let stat = "7 (a) Z 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20\n";
        assert_eq!(parse_stat(stat), Some((4242, false)));
        assert_eq!(parse_stat("7 (a"), None);
    }
}
