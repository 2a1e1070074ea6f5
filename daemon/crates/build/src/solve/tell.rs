//! Telling a build's progress: vertices with BuildKit's names, instructions with the classic numbers.

use gantry_ids::Digest;
use jiff::Timestamp;

use super::key::Hasher;
use crate::progress::{Ending, Event, Instruction, Log, Progress, Status, Stream, Vertex, What};

/// A piece of work that is told about from its beginning to its end. Dropped without an end, it
/// counts as cancelled.
pub(super) struct Work<'a> {
    progress: &'a dyn Progress,
    vertex: Digest,
    is_over: bool,
}

/// The vertex of a name; several of one name differ by their number.
pub(super) fn vertex(name: &str, number: u64) -> Digest {
    let mut hasher = Hasher::new("vertex");
    hasher.part(name).number(number);
    hasher.finish()
}

/// Tells that there is a piece of work.
pub(super) fn announce(progress: &dyn Progress, digest: Digest, name: &str, inputs: Vec<Digest>) {
    progress.tell(Event::Vertex(Vertex {
        digest,
        name: name.to_owned(),
        inputs,
    }));
}

impl<'a> Work<'a> {
    /// Begins a piece of work that was announced.
    pub(super) fn begin(progress: &'a dyn Progress, vertex: Digest) -> Self {
        let at = Timestamp::now();
        progress.tell(Event::Began { vertex, at });
        Self {
            progress,
            vertex,
            is_over: false,
        }
    }

    /// Announces and begins.
    pub(super) fn new(progress: &'a dyn Progress, name: &str) -> Self {
        let digest = vertex(name, 0);
        announce(progress, digest, name, Vec::new());
        Self::begin(progress, digest)
    }

    pub(super) const fn vertex(&self) -> Digest {
        self.vertex
    }

    pub(super) fn log(&self, stream: Stream, bytes: &[u8]) {
        self.progress.tell(Event::Log(Log {
            vertex: self.vertex,
            stream,
            bytes: bytes.to_vec(),
            at: Timestamp::now(),
        }));
    }

    /// Tells how far a part is that began at a time.
    pub(super) fn status(&self, id: &str, (current, total): (u64, u64), since: Timestamp) {
        self.progress.tell(Event::Status(Status {
            vertex: self.vertex,
            id: id.to_owned(),
            current,
            total,
            started: since,
            completed: (total > 0 && current >= total).then(Timestamp::now),
        }));
    }

    /// Tells that a part that began at a time has ended.
    pub(super) fn complete(&self, id: &str, current: u64, since: Timestamp) {
        self.progress.tell(Event::Status(Status {
            vertex: self.vertex,
            id: id.to_owned(),
            current,
            total: current,
            started: since,
            completed: Some(Timestamp::now()),
        }));
    }

    pub(super) fn end(mut self, how: Ending) {
        self.over(how);
    }

    fn over(&mut self, how: Ending) {
        self.is_over = true;
        self.progress.tell(Event::Ended {
            vertex: self.vertex,
            at: Timestamp::now(),
            how,
        });
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.over(Ending::Cancelled);
        }
    }
}

/// The instructions of a stage as the classic stream counts them.
#[derive(Clone)]
pub(super) struct Counter<'a> {
    pub(super) progress: &'a dyn Progress,
    pub(super) stage: usize,
    /// The number of the next instruction, from 1.
    pub(super) next: usize,
    pub(super) total: usize,
}

impl Counter<'_> {
    pub(super) fn began(&self, code: &str) {
        self.tell(What::Began(code.to_owned()));
    }

    pub(super) fn ended(&mut self, key: Digest) {
        self.tell(What::Ended(key));
        self.next += 1;
    }

    pub(super) fn tell(&self, what: What) {
        self.progress.tell(Event::Instruction(Instruction {
            stage: self.stage,
            number: self.next,
            total: self.total,
            what,
        }));
    }
}
