//! The engine's events: published once, kept for a while, streamed to whoever asks.
//!
//! The ring of the last [`HISTORY`] events is the truth; a subscriber is a cursor into it and is
//! woken when it grows. A subscriber that reads slowly therefore loses nothing as long as it stays
//! within the ring, holds up nobody, and costs no memory of its own.

mod filter;
mod history;
pub mod images;
pub mod membership;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gantry_engine_api::event::{Actor, EventMessage};
use tokio::sync::watch;

use self::history::{History, Line};
pub use self::{filter::EventFilter, history::Cause};

/// How many events are kept (dockerd keeps 256).
pub const HISTORY: usize = 1024;

/// What kind of object an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The build cache.
    Builder,
    /// The daemon.
    Daemon,
}

impl EventKind {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Builder => "builder",
            Self::Daemon => "daemon",
        }
    }
}

#[derive(Debug, Default)]
struct Ring {
    /// Sequence number of the next event.
    next: u64,
    last_ns: i64,
    events: VecDeque<Kept>,
    history: Option<History>,
}

#[derive(Debug)]
struct Kept {
    event: Arc<EventMessage>,
    cause: Option<Cause>,
}

impl From<Line> for Kept {
    fn from(line: Line) -> Self {
        Self {
            event: Arc::new(line.event),
            cause: line.cause,
        }
    }
}

impl Ring {
    /// Sequence number of the oldest event that is kept.
    fn oldest(&self) -> u64 {
        self.next - u64::try_from(self.events.len()).expect("a length fits")
    }
}

/// The bus.
#[derive(Debug)]
pub struct EventBus {
    ring: Mutex<Ring>,
    grown: watch::Sender<u64>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            grown: watch::Sender::new(0),
        }
    }
}

impl EventBus {
    /// A bus that begins with the events in a file, and keeps its own there.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let bus = Self::default();
        match History::open(path) {
            Ok((history, lines)) => {
                let mut ring = bus.ring.lock().unwrap_or_else(PoisonError::into_inner);
                ring.last_ns = lines.back().map_or(0, |line| line.event.time_nano);
                ring.next = u64::try_from(lines.len()).expect("a length fits");
                ring.events = lines.into_iter().map(Kept::from).collect();
                ring.history = Some(history);
                bus.grown.send_replace(ring.next);
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "events are not kept"),
        }
        bus
    }

    /// Whether an event of this cause was published, by this engine or the one before it.
    #[must_use]
    pub fn was_caused_by(&self, cause: &Cause) -> bool {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = ring.events.iter();
        kept.any(|kept| kept.cause.as_ref() == Some(cause))
    }

    /// Whether a container's event of this action was published at or after a time; none where what
    /// is kept does not go back so far.
    #[must_use]
    pub fn was_told(&self, action: &str, container: &str, since_ns: i64) -> Option<bool> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.events.front()?;
        if oldest.event.time_nano > since_ns {
            return None;
        }
        Some(ring.events.iter().any(|kept| {
            let event = &kept.event;
            event.kind == EventKind::Container.as_str()
                && event.action == action
                && event.actor.id == container
                && event.time_nano >= since_ns
        }))
    }

    /// Publishes an event. `attributes` are what docker's `Actor.Attributes` holds: for a container
    /// its name, image and labels, and what the action adds (`exitCode`, `signal`).
    pub fn publish<I>(&self, kind: EventKind, action: &str, id: &str, attributes: I)
    where
        I: IntoIterator<Item = (String, String)>,
    {
        self.publish_caused(kind, action, (id, None), attributes);
    }

    /// The same for an event that an entry of the supervisor's journal has made.
    pub fn publish_caused<I>(
        &self,
        kind: EventKind,
        action: &str,
        (id, cause): (&str, Option<Cause>),
        attributes: I,
    ) where
        I: IntoIterator<Item = (String, String)>,
    {
        let actor = Actor {
            id: id.to_owned(),
            attributes: attributes.into_iter().collect(),
        };
        let mut event = EventMessage {
            kind: kind.as_str().to_owned(),
            action: action.to_owned(),
            actor,
            scope: "local".to_owned(),
            ..EventMessage::default()
        };
        fill_legacy(kind, &mut event);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        // Strictly increasing, so that `since` the last event seen repeats only that one.
        event.time_nano = now_ns().max(ring.last_ns + 1);
        event.time = event.time_nano / 1_000_000_000;
        ring.last_ns = event.time_nano;
        ring.next += 1;
        if ring.events.len() == HISTORY {
            ring.events.pop_front();
        }
        let line = Line::new(event, cause);
        if let Some(mut history) = ring.history.take() {
            match history.add(&line) {
                Ok(()) => ring.history = Some(history),
                Err(error) => tracing::warn!(%error, "events are no longer kept"),
            }
        }
        ring.events.push_back(Kept::from(line));
        self.grown.send_replace(ring.next);
    }

    /// A subscription to what is published from now on.
    #[must_use]
    pub fn subscribe(self: &Arc<Self>) -> Subscription {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        self.subscription(ring.next)
    }

    /// A subscription that begins with the oldest event that is kept.
    #[must_use]
    pub fn subscribe_with_history(self: &Arc<Self>) -> Subscription {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        self.subscription(ring.oldest())
    }

    fn subscription(self: &Arc<Self>, cursor: u64) -> Subscription {
        Subscription {
            bus: Arc::clone(self),
            grown: self.grown.subscribe(),
            cursor,
        }
    }

    /// Changes whenever something happens.
    #[must_use]
    pub fn activity(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.grown.receiver_count()
    }
}

/// Clients from before 1.22 read these; they are sent until 1.51.
fn fill_legacy(kind: EventKind, event: &mut EventMessage) {
    match kind {
        EventKind::Container => {
            event.status.clone_from(&event.action);
            event.id.clone_from(&event.actor.id);
            event.from = event
                .actor
                .attributes
                .get("image")
                .cloned()
                .unwrap_or_default();
        }
        EventKind::Image => {
            event.status.clone_from(&event.action);
            event.id.clone_from(&event.actor.id);
        }
        EventKind::Network | EventKind::Volume | EventKind::Builder | EventKind::Daemon => {}
    }
}

fn now_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A cursor into the bus.
#[derive(Debug)]
pub struct Subscription {
    bus: Arc<EventBus>,
    grown: watch::Receiver<u64>,
    cursor: u64,
}

impl Subscription {
    /// What has been published since the last call, oldest first, without waiting.
    pub fn ready(&mut self) -> Vec<Arc<EventMessage>> {
        let ring = self.bus.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = ring.next - self.cursor.max(ring.oldest());
        let behind = usize::try_from(behind).expect("no more than the ring holds");
        self.cursor = ring.next;
        ring.events
            .iter()
            .skip(ring.events.len() - behind)
            .map(|kept| Arc::clone(&kept.event))
            .collect()
    }

    /// Waits for at least one event.
    pub async fn next(&mut self) -> Vec<Arc<EventMessage>> {
        loop {
            self.grown.mark_unchanged();
            let ready = self.ready();
            if !ready.is_empty() {
                return ready;
            }
            // The sender lives in the bus that this subscription holds.
            let _ = self.grown.changed().await;
        }
    }
}
