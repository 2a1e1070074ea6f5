//! Moves bytes from a process's pipe or terminal to a [`Sink`], and from a FIFO to its input.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use gantry_linux::allocator;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sink::Sink;
use super::stdin::Stdin;

/// What is read at first, in bytes: most that is said is a line, for which a big buffer costs more than
/// the reading.
const FIRST_LEN: usize = 4 * 1024;
/// The most that is read at once, in bytes.
const READ_LEN: usize = 64 * 1024;
/// After this much output the heap is looked through for what can be given back, in bytes.
const BURST_LEN: usize = 4 * 1024 * 1024;
/// What a FIFO's reader takes at once.
const INPUT_LEN: usize = 16 * 1024;

/// Moves output until the stream ends. Buffers are kept while there is always more, and given back
/// before anything is waited for: most containers are silent most of the time.
pub(super) async fn output(source: Arc<AsyncFd<OwnedFd>>, mut sink: Sink) {
    let mut buffer = Vec::new();
    let mut room = FIRST_LEN;
    let mut moved = 0;
    loop {
        sink.admit().await;
        match read_now(&source, &mut buffer, room) {
            Ok(()) if !buffer.is_empty() => {
                if buffer.len() == room {
                    room = READ_LEN;
                }
                sink.write(&buffer).await;
                moved += buffer.len();
                take_turns(buffer.len()).await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                buffer = Vec::new();
                room = FIRST_LEN;
                sink.rest();
                if moved >= BURST_LEN {
                    allocator::trim();
                    moved = 0;
                }
                if source
                    .readable()
                    .await
                    .map(|mut guard| guard.retain_ready())
                    .is_err()
                {
                    break;
                }
            }
            // A terminal whose last holder is gone says EIO.
            Ok(()) | Err(_) => break,
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

/// Replaces what is in `buffer` by up to `len` bytes that are there already; none mean the end.
fn read_now(source: &AsyncFd<OwnedFd>, buffer: &mut Vec<u8>, len: usize) -> io::Result<()> {
    buffer.clear();
    buffer.reserve_exact(len);
    source.try_io(Interest::READABLE, |fd| {
        rustix::io::retry_on_intr(|| rustix::io::read(fd, spare_capacity(buffer)))
            .map(drop)
            .map_err(|errno: Errno| errno.into())
    })
}

/// Waits for bytes; none mean the end.
async fn read(source: &AsyncFd<OwnedFd>, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        match read_now(source, &mut bytes, len) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                bytes = Vec::new();
                source.readable().await?.retain_ready();
            }
            result => return result.map(|()| bytes),
        }
    }
}
