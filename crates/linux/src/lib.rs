//! The one home of unsafe code and raw system calls.
//!
//! What `rustix` offers safely is used from there, by everybody. Here is the rest: one topic a file,
//! safe functions over `BorrowedFd`/`OwnedFd`, one system call each, no policy. Every `unsafe` block
//! says what would break and why it does not.
#![allow(
    unsafe_code,
    reason = "this crate exists to hold the unsafe code of the workspace"
)]

pub mod activation;
pub mod allocator;
pub mod bpf;
pub mod clone;
pub mod detach;
#[cfg(target_arch = "x86_64")]
pub mod early;
pub mod exec;
pub mod fork;
pub mod keyring;
pub mod loopback;
pub mod mount_attr;
pub mod namespace;
pub mod netlink;
pub mod packet_info;
pub mod personality;
pub mod rlimit;
pub mod seccomp;
pub mod signal;
pub mod trace;
pub mod unix_socket;
pub mod user_namespace;

use std::io;

/// Turns the `-1` of a libc call into the thread's errno.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
