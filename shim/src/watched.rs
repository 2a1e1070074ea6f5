//! Descriptors watched by the event loop.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `fd` for reading and writing. The descriptor should be in non-blocking mode, or be used
/// with calls that do not wait.
///
/// # Errors
/// What `epoll_ctl(2)` says.
pub(crate) fn watch<T: AsRawFd>(fd: T) -> io::Result<AsyncFd<T>> {
    watch_for(fd, Interest::READABLE | Interest::WRITABLE)
}

/// Watches `fd` for what `interest` names.
///
/// # Errors
/// What `epoll_ctl(2)` says.
pub(crate) fn watch_for<T: AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    #[expect(
        deprecated,
        reason = "its unsafe successor asks for what holds here: every T of this program owns its \
                  descriptor and keeps it open for as long as it lives"
    )]
    AsyncFd::with_interest(fd, interest)
}
