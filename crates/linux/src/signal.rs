//! Signal masks, dispositions, and signals as a descriptor.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Blocks every signal and returns a descriptor (close-on-exec, non-blocking) to read them from.
///
/// # Errors
/// What `sigprocmask(2)` or `signalfd(2)` says.
pub fn all_as_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: all-zero is a valid `sigset_t`, and sigfillset initialises it anyway.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes to one `sigset_t`.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: reads one `sigset_t`; the old mask is not asked for.
    let result =
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut()) };
    crate::check(libc::c_long::from(result))?;
    // SAFETY: reads one `sigset_t`; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const all, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    crate::check(libc::c_long::from(fd))?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes one pending signal from a descriptor of `all_as_descriptor`: its number, or `None`.
///
/// # Errors
/// What `read(2)` says, `EAGAIN` excepted.
pub fn take(descriptor: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    // SAFETY: all-zero is a valid `signalfd_siginfo`.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is one whole record, the only unit the kernel writes.
    let read = unsafe {
        libc::read(
            descriptor.as_raw_fd(),
            (&raw mut info).cast(),
            size_of::<libc::signalfd_siginfo>(),
        )
    };
    if read < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(error)
        };
    }
    Ok(Some(
        i32::try_from(info.ssi_signo).expect("a signal number is small"),
    ))
}

/// Unblocks all signals and takes back that SIGPIPE is ignored (which Rust's start does), as a program
/// expects at its start. Handlers need not be taken back: `exec` does that.
pub fn reset() {
    // SAFETY: SIG_DFL installs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    // SAFETY: all-zero is a valid `sigset_t`.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes to one `sigset_t`.
    unsafe { libc::sigemptyset(&raw mut none) };
    // SAFETY: reads one `sigset_t`.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// Sends any signal, real-time ones included, to a process by its pidfd.
///
/// # Errors
/// `ESRCH` when the process is gone; otherwise what `pidfd_send_signal(2)` says.
pub fn send(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: a null siginfo means "as kill(2)"; no memory is touched.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    crate::check(result).map(drop)
}
