//! Session keyrings (`keyctl(2)`).

use std::ffi::CStr;
use std::io;

const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;

/// Gives the process a new session keyring of this name, so that it shares no keys with its parent.
///
/// # Errors
/// `ENOSYS` on a kernel without keyrings; otherwise what `keyctl(2)` says.
pub fn join_session(name: &CStr) -> io::Result<()> {
    // SAFETY: the kernel only reads the C string.
    let result =
        unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    crate::check(result).map(drop)
}
