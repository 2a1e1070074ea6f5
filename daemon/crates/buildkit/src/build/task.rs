//! A piece of the door's own work, told as the solver tells its.

use std::sync::atomic::{AtomicU64, Ordering};

use gantry_build::{Ending, Event, Progress, Refusal, Status as Part, Vertex};
use gantry_errors::ErrorKind;
use gantry_ids::Digest;
use jiff::Timestamp;

/// Tells two pieces of work of one name apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A piece of work that goes on.
pub(super) struct Task<'a> {
    progress: &'a dyn Progress,
    vertex: Digest,
}

impl<'a> Task<'a> {
    /// It begins.
    pub(super) fn begin(progress: &'a dyn Progress, name: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let vertex = Digest::of(format!("door {number} {name}").as_bytes());
        progress.tell(Event::Vertex(Vertex {
            digest: vertex,
            name: name.to_owned(),
            inputs: Vec::new(),
        }));
        let at = Timestamp::now();
        progress.tell(Event::Began { vertex, at });
        Self { progress, vertex }
    }

    /// A part of it has come so far.
    pub(super) fn part(
        &self,
        id: &str,
        current: u64,
        started: Timestamp,
        completed: Option<Timestamp>,
    ) {
        self.progress.tell(Event::Status(Part {
            vertex: self.vertex,
            id: id.to_owned(),
            current,
            total: 0,
            started,
            completed,
        }));
    }

    /// It ends as its result says, which is answered.
    pub(super) fn end<T>(self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        let how = match &result {
            Ok(_) => Ending::Done,
            Err(refusal) if refusal.kind == ErrorKind::Cancelled => Ending::Cancelled,
            Err(refusal) => Ending::Failed(refusal.text.clone()),
        };
        let (vertex, at) = (self.vertex, Timestamp::now());
        self.progress.tell(Event::Ended { vertex, at, how });
        result
    }
}
