//! Where the output of one process is spread from: to its log and to every attached client.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantry_stdio::LogPlace;
use gantry_stdio::frame::Stream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use crate::log::JsonLog;

/// The centre of one process's output.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<State>,
    /// Told whenever a client took something or went away.
    moved: Notify,
    spool_folder: PathBuf,
}

#[derive(Debug)]
struct State {
    log: Option<JsonLog>,
    clients: Vec<Arc<Client>>,
    /// Streams that have not ended.
    open: usize,
    complete: bool,
}

impl Hub {
    /// A hub for a process with `streams` outputs (one for a terminal, else two). Backlogs spill into
    /// nameless files in `spool_folder`.
    pub(crate) fn new(log: Option<JsonLog>, streams: usize, spool_folder: PathBuf) -> Self {
        let state = State {
            log,
            clients: Vec::new(),
            open: streams,
            complete: false,
        };
        Self {
            state: Mutex::new(state),
            moved: Notify::new(),
            spool_folder,
        }
    }

    /// Spreads what the process wrote.
    pub(super) fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state();
        for client in &state.clients {
            client.offer(stream, bytes, &self.spool_folder);
        }
        if let Some(log) = &mut state.log {
            log.write(stream, bytes);
        }
    }

    /// The process has nothing to say for now: buffers are given back.
    pub(super) fn rest(&self) {
        if let Some(log) = &mut self.state().log {
            log.rest();
        }
    }

    /// One stream has ended; after the last one clients get what they are owed and are let go.
    pub(super) fn end(&self, stream: Stream) {
        let mut state = self.state();
        if let Some(log) = &mut state.log {
            log.end(stream);
        }
        state.open = state.open.saturating_sub(1);
        if state.open == 0 {
            state.complete();
        }
    }

    /// There will be no output, whatever the streams do: the process never started, or its task is
    /// gone.
    pub(crate) fn abandon(&self) {
        self.state().complete();
    }

    /// Waits while a client holds the process back, and drops it when its time is over.
    pub(super) async fn admit(&self) {
        loop {
            let moved = self.moved.notified();
            let Some(deadline) = self.earliest_deadline() else {
                return;
            };
            tokio::select! {
                () = moved => {}
                () = sleep_until(deadline) => self.drop_stalled(),
            }
        }
    }

    /// Adds a client; it gets what is written from now on. After the end it gets nothing.
    pub(super) fn join(&self, client: &Arc<Client>) {
        let mut state = self.state();
        if state.complete {
            client.complete();
        } else {
            state.clients.push(client.clone());
        }
    }

    /// Adds a client that is held, and tells where the log ends that it is to see first; none if the
    /// log is complete. What is in no file yet, the beginnings of lines, is the first that waits for
    /// the client.
    ///
    /// # Errors
    /// There is no log, or it cannot be looked at.
    pub(super) fn join_held(&self, client: &Arc<Client>) -> io::Result<Option<LogPlace>> {
        let mut state = self.state();
        if state.complete {
            client.complete();
            return Ok(None);
        }
        let log = state.log.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let place = log.place()?;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begun = log.begun(stream);
            if !begun.is_empty() {
                client.offer(stream, begun, &self.spool_folder);
            }
        }
        state.clients.push(client.clone());
        Ok(Some(place))
    }

    /// Takes a client away.
    pub(super) fn leave(&self, client: &Arc<Client>) {
        self.state()
            .clients
            .retain(|other| !Arc::ptr_eq(other, client));
        self.moved.notify_waiters();
    }

    /// A client took something.
    pub(super) fn moved(&self) {
        self.moved.notify_waiters();
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let state = self.state();
        if state.clients.is_empty() {
            return None;
        }
        state
            .clients
            .iter()
            .filter_map(|client| client.deadline())
            .min()
    }

    fn drop_stalled(&self) {
        let now = Instant::now();
        let overdue = |client: &Arc<Client>| client.deadline().is_some_and(|at| at <= now);
        self.state().clients.retain(|client| {
            let overdue = overdue(client);
            if overdue {
                client.drop_now();
            }
            !overdue
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn complete(&mut self) {
        self.complete = true;
        self.log = None;
        for client in self.clients.drain(..) {
            client.complete();
        }
    }
}
