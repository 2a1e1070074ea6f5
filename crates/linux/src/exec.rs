//! Becoming another program, and what must not reach it.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Exit code of a process whose program could not be started after all, as runc has it.
const CANNOT_EXEC: libc::c_int = 255;

/// Closes every descriptor from `first_closed` on and becomes the program at `path`.
///
/// If the kernel refuses the program, `exec <path>: <why>` goes to stderr and the process ends with
/// code 255: there is nobody left to return to, since the descriptors are gone.
pub fn replace(
    path: &CStr,
    arguments: &[CString],
    environment: &[CString],
    first_closed: u32,
) -> ! {
    let argv = pointers(arguments);
    let envp = pointers(environment);
    // SAFETY: the owners of these descriptors never run again: the process becomes another program
    // or ends, below.
    unsafe { libc::syscall(libc::SYS_close_range, first_closed, u32::MAX, 0) };
    // SAFETY: both arrays end with a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    let error = io::Error::last_os_error();
    let reason = error.to_string().to_lowercase();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let text = format!("exec {}: {reason}\n", path.to_string_lossy());
    // SAFETY: writes from a live buffer of the length given.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    // SAFETY: ends the process.
    unsafe { libc::_exit(CANNOT_EXEC) }
}

/// Replaces the process by the program that `file` refers to. Returns only on failure.
pub fn exec_descriptor(
    file: BorrowedFd<'_>,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let argv = pointers(arguments);
    let envp = pointers(environment);
    // SAFETY: as in `replace`; the path is the empty string, which AT_EMPTY_PATH makes mean `file`.
    unsafe {
        libc::execveat(
            file.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr().cast(),
            envp.as_ptr().cast(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// Whether a descriptor of this number is open and came with the program (is not close-on-exec).
pub fn is_inherited(number: u32) -> bool {
    let Ok(number) = libc::c_int::try_from(number) else {
        return false;
    };
    // SAFETY: asks for flags of a number; no descriptor is used or changed.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    flags >= 0 && flags & libc::FD_CLOEXEC == 0
}

/// Marks every descriptor from `first` on close-on-exec (`close_range(2)`).
///
/// # Errors
/// What `close_range(2)` says.
pub fn cloexec_from(first: u32) -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC nothing is closed now, so no owned descriptor dangles.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    crate::check(result).map(drop)
}
