//! A process's standard input as those see it who write to it: attached clients and a FIFO. It may
//! not exist yet (an exec's terminal comes with its start); writers wait for it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// The writing end, for any number of writers.
#[derive(Debug)]
pub(crate) struct Stdin {
    state: Mutex<State>,
    changed: Notify,
    /// Held while one writer's bytes go in, so that writers do not cut into one another.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
enum State {
    Pending,
    Open(Arc<AsyncFd<OwnedFd>>),
    Closed,
}

impl Stdin {
    /// Input of a process that has none.
    pub(crate) fn closed() -> Self {
        Self::in_state(State::Closed)
    }

    /// Input that is still to come.
    pub(crate) fn pending() -> Self {
        Self::in_state(State::Pending)
    }

    fn in_state(state: State) -> Self {
        let turn = tokio::sync::Mutex::new(());
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            turn,
        }
    }

    /// The writing end is there, in non-blocking mode; an input closed before stays closed.
    pub(crate) fn open(&self, fd: Arc<AsyncFd<OwnedFd>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Pending) {
            *state = State::Open(fd);
        }
        self.changed.notify_waiters();
    }

    /// Closes the input once those who are writing have finished.
    pub(crate) fn close(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
        self.changed.notify_waiters();
    }

    /// Writes all of `bytes`; what a process no longer reads is dropped, as its terminal would.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) {
        let _turn = self.turn.lock().await;
        while !bytes.is_empty() {
            let changed = self.changed.notified();
            let state = self
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            match state {
                State::Closed => return,
                State::Pending => changed.await,
                State::Open(fd) => match write_some(&fd, bytes).await {
                    Ok(len) => bytes = &bytes[len..],
                    Err(_) => return self.close(),
                },
            }
        }
    }
}

async fn write_some(fd: &AsyncFd<OwnedFd>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        let mut guard = fd.writable().await?;
        match guard.try_io(|fd| rustix::io::write(fd, bytes).map_err(io::Error::from)) {
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
            Ok(result) => return result,
            Err(_would_block) => {}
        }
    }
}
