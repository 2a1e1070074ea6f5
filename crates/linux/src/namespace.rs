//! Namespaces: the set of kinds, leaving (`unshare`) and joining (`setns`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A set of namespace kinds; the bits are the kernel's `CLONE_NEW*`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces(u32);

impl Namespaces {
    /// The cgroup namespace.
    pub const CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u32);
    /// System V IPC and POSIX message queues.
    pub const IPC: Self = Self(libc::CLONE_NEWIPC as u32);
    /// Mounts.
    pub const MOUNT: Self = Self(libc::CLONE_NEWNS as u32);
    /// Network devices, addresses, ports.
    pub const NETWORK: Self = Self(libc::CLONE_NEWNET as u32);
    /// Process numbers.
    pub const PID: Self = Self(libc::CLONE_NEWPID as u32);
    /// Users, groups and capabilities.
    pub const USER: Self = Self(libc::CLONE_NEWUSER as u32);
    /// Host and domain name.
    pub const UTS: Self = Self(libc::CLONE_NEWUTS as u32);

    /// No namespace at all.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// The kernel's bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether every kind of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set less the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Whether a process is the first of its pid namespace, with which the kernel ends all others in it
/// (pid_namespaces(7)). One that is gone is not.
pub fn is_first_of_its_pid_namespace(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    // From the reader's namespace down to the process's own.
    numbers.and_then(|numbers| numbers.split_whitespace().last()) == Some("1")
}

/// Moves the calling process into new namespaces (`unshare(2)`); of a new pid namespace only its
/// later children see anything.
///
/// # Errors
/// What `unshare(2)` says.
pub fn unshare(kinds: Namespaces) -> io::Result<()> {
    // SAFETY: only namespace bits are passed, so no file table or memory is unshared behind Rust's
    // back.
    crate::check(unsafe { libc::c_long::from(libc::unshare(kinds.0.cast_signed())) }).map(drop)
}

/// Joins the namespace that `namespace` refers to, which must be of this kind; or, where the
/// descriptor is a pidfd, all these kinds of that process at once.
///
/// # Errors
/// What `setns(2)` says; `EINVAL` for a namespace of another kind.
pub fn join(namespace: BorrowedFd<'_>, kinds: Namespaces) -> io::Result<()> {
    // SAFETY: setns changes what the process sees, never its memory or descriptors.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), kinds.0.cast_signed()) };
    crate::check(libc::c_long::from(result)).map(drop)
}
