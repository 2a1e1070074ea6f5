//! The execution domain (`personality(2)`).

use std::io;

/// Native.
pub const LINUX: u64 = 0;
/// 32-bit: `uname` says i686 on x86_64.
pub const LINUX32: u64 = 8;

/// Sets the personality of the process.
///
/// # Errors
/// What `personality(2)` says.
pub fn set(domain: u64) -> io::Result<()> {
    // SAFETY: takes a number, touches no memory.
    crate::check(unsafe { libc::c_long::from(libc::personality(domain)) }).map(drop)
}
