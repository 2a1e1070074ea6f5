//! Events: what happened, in order, kept for subscribers that come back.
//!
//! [`Journal`] is the only path from whoever publishes to whoever subscribes: an event is appended to
//! a file first, and every subscriber reads that file at its own pace. So a slow subscriber costs no
//! memory and loses nothing, and live delivery and resumption are one mechanism.

mod journal;
pub(crate) mod payload;
mod subscription;
mod wire;

use std::borrow::Cow;
use std::time::SystemTime;

use crate::filter::Fields;
use crate::names::Namespace;
use crate::typed::Typed;

pub(crate) use journal::{Cursor, Journal, JournalError};
pub(crate) use subscription::{Delivery, Subscription};
pub(crate) use wire::{from_envelope, to_envelope};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// When, by the clock of whoever saw it.
    pub(crate) at: SystemTime,
    /// In which namespace.
    pub(crate) namespace: Namespace,
    /// What kind of thing (`/tasks/exit`).
    pub(crate) topic: String,
    /// The message that belongs to the topic.
    pub(crate) payload: Typed,
}

impl Event {
    /// An event of this moment.
    pub(crate) fn now(namespace: Namespace, topic: &str, payload: Typed) -> Self {
        Self {
            at: SystemTime::now(),
            namespace,
            topic: topic.to_owned(),
            payload,
        }
    }
}

impl Fields for Event {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["namespace"] => Some(self.namespace.as_str().into()),
            ["topic"] => Some(self.topic.as_str().into()),
            ["event", name] => payload::field(&self.payload, name).map(Cow::Owned),
            _ => None,
        }
    }
}
