//! User namespaces that exist for their maps alone, as an idmapped mount wants one (`mount_setattr(2)`,
//! `MOUNT_ATTR_IDMAP`). Processes that live in one are `clone`'s.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

/// `linux/sched.h`: no handler of the parent's runs in the child; libc's constant is too narrow for it.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// One line of `uid_map` or `gid_map` (`user_namespaces(7)`): `count` numbers from `inside` on mean those
/// from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first number within the namespace; of an idmapped mount: on the disk.
    pub inside: u32,
    /// The first number outside; of an idmapped mount: as processes see it.
    pub outside: u32,
    /// How many there are.
    pub count: u32,
}

/// Makes a user namespace with these maps, in which nobody lives. May be called from any thread.
///
/// # Errors
/// What `clone3(2)` says, and what the kernel says to maps that it refuses.
pub fn with_maps(uids: &[IdRange], gids: &[IdRange]) -> io::Result<OwnedFd> {
    let pidfd = sleeper()?;
    let made = folder(pidfd.as_fd()).and_then(|folder| maps(&folder, uids, gids));
    let ended = pidfd_send_signal(&pidfd, Signal::KILL)
        .and_then(|()| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
    let namespace = made?;
    ended?;
    Ok(namespace)
}

/// The process's folder in the `/proc` that is seen here, which may be that of another pid namespace than the one
/// that the caller makes processes in.
fn folder(pidfd: BorrowedFd<'_>) -> io::Result<String> {
    let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = told.lines().find_map(|line| line.strip_prefix("Pid:"));
    let pid = pid.and_then(|pid| pid.trim().parse::<u32>().ok());
    // 0: it is not to be seen there.
    let pid = pid.filter(|pid| *pid > 0).ok_or(io::ErrorKind::NotFound)?;
    Ok(format!("/proc/{pid}"))
}

fn maps(folder: &str, uids: &[IdRange], gids: &[IdRange]) -> io::Result<OwnedFd> {
    for (file, ranges) in [("uid_map", uids), ("gid_map", gids)] {
        let lines: String = ranges
            .iter()
            .map(|range| format!("{} {} {}\n", range.inside, range.outside, range.count))
            .collect();
        // In one write, as the kernel wants it.
        std::fs::write(format!("{folder}/{file}"), lines)?;
    }
    Ok(File::open(format!("{folder}/ns/user"))?.into())
}

/// A process in a user namespace of its own that does nothing until it is killed, and that ends with the
/// thread that made it.
fn sleeper() -> io::Result<OwnedFd> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_NEWUSER | libc::CLONE_PIDFD | libc::CLONE_FILES;
    let parent = i64::from(std::process::id());
    // SAFETY: all-zero is a valid `clone_args`: it means "no stack, no tls, no cgroup".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.unsigned_abs()) | CLONE_CLEAR_SIGHAND;
    args.pidfd = (&raw mut pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has a copy of memory and of this thread's stack. It may lack locks
    // that other threads hold, and therefore makes plain system calls alone until it ends (below). Of the
    // shared table of descriptors it uses none. The kernel writes only to `pidfd`, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut args,
            size_of::<libc::clone_args>(),
        )
    };
    if result == 0 {
        sleep_until_killed(parent);
    }
    crate::check(result)?;
    // SAFETY: CLONE_PIDFD stored a new descriptor there, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(pidfd) })
}

/// What the child does: plain system calls, which touch no memory that is shared with anybody and no lock.
fn sleep_until_killed(parent: i64) -> ! {
    // SAFETY: changes nothing but which signal this process gets when its parent ends.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // The parent may have ended before that.
    // SAFETY: asks for a number.
    while unsafe { libc::syscall(libc::SYS_getppid) } == parent {
        let nothing = std::ptr::null::<libc::c_void>();
        // SAFETY: waits for no descriptor and without a limit: the kernel reads and writes none of our memory.
        unsafe { libc::syscall(libc::SYS_ppoll, nothing, 0, nothing, nothing, 0) };
    }
    // SAFETY: ends the child without running the parent's exit handlers.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_made_from_among_threads_and_nobody_is_left_in_it() {
        let range = |inside| IdRange {
            inside,
            outside: 0,
            count: 1,
        };
        let others: Vec<_> = (0..4)
            .map(|n| std::thread::spawn(move || with_maps(&[range(n)], &[range(n)])))
            .collect();
        for other in others {
            other.join().expect("no panic").expect("tests run as root");
        }
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        assert_eq!(children, "");
        let twice = [range(0), range(0)];
        with_maps(&twice, &twice).expect_err("two lines for one number");
    }
}
