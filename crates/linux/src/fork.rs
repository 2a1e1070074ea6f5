//! `fork(2)` for a process that may itself be confined: a container's seccomp profile refuses
//! `clone3(2)` and `unshare(2)`, on which [`crate::clone`] rests.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clone::Child;

/// Starts a copy of this process that runs `body` and ends with what it returns.
///
/// # Errors
/// `EDEADLK` if the caller has more than one thread: the child would inherit locks that nobody
/// releases. Otherwise what `fork(2)` and `pidfd_open(2)` say, or that `/proc` cannot be read.
pub fn fork(body: impl FnOnce() -> u8) -> io::Result<Child> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EDEADLK));
    }
    // SAFETY: the process has one thread (checked above), so no lock is held by a thread that the
    // child lacks; memory is copied, so nothing is shared.
    let pid = crate::check(libc::c_long::from(unsafe { libc::fork() }))?;
    if pid == 0 {
        let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
        // SAFETY: ends the child without running the parent's exit handlers a second time.
        unsafe { libc::_exit(i32::from(code)) }
    }
    let pid = i32::try_from(pid).expect("a pid fits in i32");
    let pid = Pid::from_raw(pid).expect("a forked pid is positive");
    // The child cannot be reaped by anyone else before this, so the pid is still its own.
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    Ok(Child { pid, pidfd })
}

#[cfg(test)]
mod tests {
    use super::fork;

    #[test]
    fn a_process_with_threads_is_refused() {
        let other = std::thread::spawn(std::thread::park);
        let refused = fork(|| 0).expect_err("the test harness has threads");
        assert_eq!(refused.raw_os_error(), Some(libc::EDEADLK));
        other.thread().unpark();
        other.join().expect("the thread ends");
    }
}
