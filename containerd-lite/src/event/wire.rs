//! Events ↔ containerd's `Envelope`, which is also how the journal stores them.

use gantry_proto::containerd::types::Envelope;
use gantry_proto::convert::time;

use super::Event;
use crate::names::{NameError, Namespace};
use crate::typed::Typed;

/// For the wire and the journal.
pub(crate) fn to_envelope(event: &Event) -> Envelope {
    Envelope {
        timestamp: Some(time::to_wire(event.at)),
        namespace: event.namespace.to_string(),
        topic: event.topic.clone(),
        event: Some((&event.payload).into()),
    }
}

/// From the wire and the journal; a missing time is now.
///
/// # Errors
/// The namespace is no namespace.
pub(crate) fn from_envelope(envelope: Envelope) -> Result<Event, NameError> {
    Ok(Event {
        at: time::from_wire(envelope.timestamp.as_ref()).unwrap_or_else(std::time::SystemTime::now),
        namespace: Namespace::parse(&envelope.namespace)?,
        topic: envelope.topic,
        payload: envelope.event.map(Typed::from).unwrap_or_default(),
    })
}
