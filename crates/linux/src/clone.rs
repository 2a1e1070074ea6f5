//! `clone3(2)` as a fork into new namespaces and, on cgroup v2, straight into a control group.
//!
//! Deliberately not here: what the child does. See `namespace` for joining existing namespaces.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Pid;

use crate::namespace::Namespaces;

/// `linux/sched.h`; libc's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What the new process gets of its own. The rest is copied, as by `fork`.
#[derive(Debug, Default, Clone, Copy)]
pub struct CloneOptions<'a> {
    /// Namespaces to make. A user namespace among them is made first and owns the others.
    pub namespaces: Namespaces,
    /// A cgroup v2 directory to be born in (`CLONE_INTO_CGROUP`).
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Make the new process a sibling: its parent is the caller's parent (`CLONE_PARENT`).
    pub sibling: bool,
}

/// A process just made.
#[derive(Debug)]
pub struct Child {
    /// Its number in the caller's pid namespace.
    pub pid: Pid,
    /// Refers to the process itself, whatever becomes of the number.
    pub pidfd: OwnedFd,
}

/// Forks; the child runs `body` and ends with the code it returns (101 if it panics).
///
/// # Errors
/// `EDEADLK` if the caller has more than one thread: the child would inherit locks that nobody
/// releases. Otherwise what `clone3(2)` says.
pub fn spawn(options: &CloneOptions<'_>, body: impl FnOnce() -> u8) -> io::Result<Child> {
    if !single_threaded()? {
        return Err(io::Error::from_raw_os_error(libc::EDEADLK));
    }
    let mut pidfd: libc::c_int = -1;
    let mut flags = u64::from(options.namespaces.bits()) | flag(libc::CLONE_PIDFD);
    // SAFETY: all-zero is a valid `clone_args`: it means "no stack, no tls, no cgroup".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.pidfd = (&raw mut pidfd) as u64;
    if let Some(cgroup) = options.cgroup {
        flags |= CLONE_INTO_CGROUP;
        args.cgroup =
            u64::try_from(cgroup.as_raw_fd()).expect("an open descriptor is not negative");
    }
    if options.sibling {
        flags |= flag(libc::CLONE_PARENT);
    } else {
        args.exit_signal = libc::SIGCHLD as u64;
    }
    args.flags = flags;
    // SAFETY: without CLONE_VM the child has a copy of memory, so no stack is shared; the process has
    // one thread (checked above), so no lock is held by a thread that the child lacks. The kernel
    // writes only to `pidfd`, which lives until after the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut args,
            size_of::<libc::clone_args>(),
        )
    };
    let pid = crate::check(result)?;
    if pid == 0 {
        let code = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
        // SAFETY: ends the child without running the parent's exit handlers a second time.
        unsafe { libc::_exit(i32::from(code)) }
    }
    let pid = i32::try_from(pid).expect("a pid fits in i32");
    Ok(Child {
        pid: Pid::from_raw(pid).expect("a forked pid is positive"),
        // SAFETY: CLONE_PIDFD stored a new descriptor there, which nobody else owns.
        pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
    })
}

fn flag(bit: libc::c_int) -> u64 {
    u64::from(bit.unsigned_abs())
}

/// Whether the calling process has exactly one thread. Asked without `/proc`, which may be another's
/// by now: `unshare(CLONE_THREAD)` does nothing to a process with one thread and refuses others.
fn single_threaded() -> io::Result<bool> {
    // SAFETY: has no effect when it succeeds.
    match crate::check(libc::c_long::from(unsafe {
        libc::unshare(libc::CLONE_THREAD)
    })) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}
