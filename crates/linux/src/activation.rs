//! Sockets that a service manager opened for this process (`sd_listen_fds(3)`).

use std::env;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// A socket that was handed over, and the name its unit gives it (empty if it gives none).
#[derive(Debug)]
pub struct Activated {
    /// The socket, closed on exec.
    pub socket: OwnedFd,
    /// `FileDescriptorName=`.
    pub name: String,
}

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the sockets that were handed over to this very process: `LISTEN_PID` must be its own. A
/// second call, and a process that was started otherwise, get none.
#[must_use]
pub fn take_activated() -> Vec<Activated> {
    let variable = |name| env::var(name).unwrap_or_default();
    let ours = variable("LISTEN_PID").parse() == Ok(std::process::id());
    let count: RawFd = variable("LISTEN_FDS").parse().unwrap_or(0);
    if !ours || count <= 0 || TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':');
    let open = (FIRST..FIRST.saturating_add(count)).filter_map(|number| {
        let name = names.next().unwrap_or_default().to_owned();
        own(number).map(|socket| Activated { socket, name })
    });
    open.collect()
}

/// Takes ownership of one of the descriptors; none if it is not open after all.
fn own(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: fcntl on a number that is no open descriptor fails and touches nothing.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: the descriptor is open, and `LISTEN_PID` says that the service manager opened it for
    // this process; `TAKEN` sees to it that it is owned here once.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl_setfd(&socket, FdFlags::CLOEXEC).ok()?;
    Some(socket)
}

#[cfg(test)]
mod tests {
    use super::take_activated;

    #[test]
    fn a_process_that_was_not_activated_gets_nothing() {
        assert!(take_activated().is_empty());
    }
}
