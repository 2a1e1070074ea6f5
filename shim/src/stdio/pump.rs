//! Moves bytes from a process's pipe or terminal to a [`Sink`], and from a FIFO to its input.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use super::sink::Sink;
use super::stdin::Stdin;

/// The most that is read at once, in bytes.
const READ_LEN: usize = 64 * 1024;
/// What a FIFO's reader takes at once.
const INPUT_LEN: usize = 16 * 1024;

/// Moves output until the stream ends.
pub(super) async fn output(source: Arc<AsyncFd<OwnedFd>>, mut sink: Sink) {
    loop {
        sink.admit().await;
        match read(&source, READ_LEN).await {
            Ok(bytes) if !bytes.is_empty() => {
                sink.write(&bytes).await;
                take_turns(bytes.len()).await;
            }
            // A terminal whose last holder is gone says EIO.
            Ok(_) | Err(_) => break,
        }
    }
    sink.end();
}

/// Moves a FIFO's bytes to the process until the last writer closes it.
pub(super) async fn input(source: AsyncFd<OwnedFd>, stdin: Arc<Stdin>) {
    while let Ok(bytes) = read(&source, INPUT_LEN).await {
        if bytes.is_empty() {
            break;
        }
        stdin.write_all(&bytes).await;
        take_turns(bytes.len()).await;
    }
    stdin.close();
}

/// Lets others have the event loop: a process that always has more to say must not keep it.
async fn take_turns(moved: usize) {
    if moved >= READ_LEN / 4 {
        tokio::task::yield_now().await;
    } else {
        tokio::task::coop::consume_budget().await;
    }
}

/// Waits for bytes; none mean the end.
async fn read(source: &AsyncFd<OwnedFd>, len: usize) -> io::Result<Vec<u8>> {
    loop {
        let mut guard = source.readable().await?;
        let mut bytes = Vec::with_capacity(len);
        let result = guard.try_io(|fd| {
            rustix::io::retry_on_intr(|| rustix::io::read(fd, spare_capacity(&mut bytes)))
                .map_err(|errno: Errno| errno.into())
        });
        if let Ok(result) = result {
            result?;
            return Ok(bytes);
        }
    }
}
