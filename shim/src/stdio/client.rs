//! The output side of one attached client: what the process writes is sent at once if the client
//! takes it, and waits in its [`Backlog`] if not. A client never makes the process wait, except when
//! its backlog is full.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_stdio::Attach;
use gantry_stdio::frame::{self, Stream};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::backlog::Backlog;
use crate::watched::watch;

/// How long a client may take nothing before it is dropped, once its backlog is full or the process
/// has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// One client's output.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: AsyncFd<OwnedFd>,
    stdout: bool,
    stderr: bool,
    framed: bool,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug)]
struct Queue {
    backlog: Backlog,
    phase: Phase,
    /// Nothing is sent yet: the client first gets what was logged.
    held: bool,
    /// When the client last took something, or was last owed nothing.
    progress: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The process's output is complete; what waits is still to be delivered.
    Complete,
    /// The client cannot be served any more.
    Gone,
}

impl Client {
    /// A client on its `socket`.
    pub(super) fn new(socket: OwnedFd, request: &Attach) -> io::Result<Self> {
        let queue = Queue {
            backlog: Backlog::default(),
            phase: Phase::Open,
            held: request.hold,
            progress: Instant::now(),
        };
        Ok(Self {
            socket: watch(socket)?,
            stdout: request.stdout,
            stderr: request.stderr,
            framed: request.framed,
            queue: Mutex::new(queue),
            wake: Notify::new(),
        })
    }

    /// Sends or queues what the process wrote to `stream`. `folder` is where a backlog may spill.
    pub(super) fn offer(&self, stream: Stream, bytes: &[u8], folder: &Path) {
        let wanted = if stream == Stream::Stderr {
            self.stderr
        } else {
            self.stdout
        };
        let mut queue = self.queue();
        if !wanted || queue.phase != Phase::Open {
            return;
        }
        let len = u32::try_from(bytes.len()).expect("a read is shorter than 4 GiB");
        let header = frame::header(stream, len);
        let header: &[u8] = if self.framed { &header } else { &[] };
        let mut sent = 0;
        if queue.backlog.is_empty() && !queue.held {
            queue.progress = Instant::now();
            match self.send(header, bytes) {
                Ok(len) => sent = len,
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return self.lose(&mut queue),
            }
        }
        for part in [header, bytes] {
            let used = sent.min(part.len());
            sent -= used;
            if used < part.len() && queue.backlog.push(&part[used..], folder).is_err() {
                return self.lose(&mut queue);
            }
        }
        if !queue.backlog.is_empty() {
            self.wake.notify_one();
        }
    }

    /// What waits is sent from now on.
    pub(super) fn release(&self) {
        let mut queue = self.queue();
        queue.held = false;
        queue.progress = Instant::now();
        self.wake.notify_one();
    }

    /// No more output will be offered.
    pub(super) fn complete(&self) {
        let mut queue = self.queue();
        if queue.phase == Phase::Open {
            queue.phase = Phase::Complete;
        }
        self.wake.notify_one();
    }

    /// When a client that holds the process back is to be dropped; `None` if it does not hold it back.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let queue = self.queue();
        let holds = queue.phase == Phase::Open && queue.backlog.is_full();
        holds.then(|| queue.progress + PATIENCE)
    }

    /// Gives the client up.
    pub(super) fn drop_now(&self) {
        self.lose(&mut self.queue());
    }

    /// Delivers what waits until the output is complete and delivered; `moved` is called when the
    /// client took something.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn deliver(&self, moved: impl Fn()) -> io::Result<()> {
        loop {
            let (phase, idle, held) = {
                let queue = self.queue();
                (queue.phase, queue.backlog.is_empty(), queue.held)
            };
            match (phase, idle) {
                (Phase::Gone, _) => return Err(io::ErrorKind::BrokenPipe.into()),
                (Phase::Open | Phase::Complete, _) if held => self.wake.notified().await,
                (Phase::Complete, true) => return Ok(()),
                (Phase::Open, true) => self.wake.notified().await,
                (Phase::Open | Phase::Complete, false) => {
                    tokio::select! {
                        guard = self.socket.writable() => {
                            if let Ok(result) = guard?.try_io(|_| self.send_front()) {
                                result?;
                                moved();
                            }
                        }
                        () = self.wake.notified() => {}
                        () = sleep(PATIENCE), if phase == Phase::Complete => {
                            return Err(io::ErrorKind::TimedOut.into());
                        }
                    }
                    // A client that always takes more must not keep the event loop.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn send_front(&self) -> io::Result<()> {
        let mut queue = self.queue();
        let len = self.send(&[], queue.backlog.front())?;
        queue.progress = Instant::now();
        queue.backlog.consume(len)
    }

    fn send(&self, header: &[u8], bytes: &[u8]) -> Result<usize, Errno> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if header.is_empty() {
            return rustix::net::send(&self.socket, bytes, flags);
        }
        let parts = [IoSlice::new(header), IoSlice::new(bytes)];
        let mut control = SendAncillaryBuffer::default();
        rustix::net::sendmsg(&self.socket, &parts, &mut control, flags)
    }

    fn lose(&self, queue: &mut Queue) {
        queue.phase = Phase::Gone;
        queue.backlog = Backlog::default();
        self.wake.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
