//! What a build tells while it goes on, rich enough for both of docker's streams.
//!
//! BuildKit's stream draws [`Vertex`] and what refers to it; the classic one draws [`Instruction`].
//! Both are told in one order. Events of independent stages are interleaved; those of one stage are
//! in order.

use gantry_dockerfile::Warning as Lint;
use gantry_ids::Digest;
use jiff::Timestamp;

/// Where a build tells how it goes.
///
/// Called from several threads. It should not block for long: steps wait for it.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn tell(&self, event: Event);
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// There is a piece of work. Told once per piece, before anything else of it. Most are told when
    /// the plan is known, before they begin.
    Vertex(Vertex),
    /// Work has begun.
    Began {
        /// The piece of work.
        vertex: Digest,
        /// When.
        at: Timestamp,
    },
    /// Work has ended; told for every vertex that began.
    Ended {
        /// The piece of work.
        vertex: Digest,
        /// When.
        at: Timestamp,
        /// How.
        how: Ending,
    },
    /// How far a part of the work is.
    Status(Status),
    /// A program has written something.
    Log(Log),
    /// A check of the Dockerfile found something.
    Warning(Warning),
    /// The classic builder's view of an instruction.
    Instruction(Instruction),
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vertex {
    /// Its identity within the build.
    pub digest: Digest,
    /// BuildKit's name of it: `[build 2/4] RUN make`, `[internal] load build context`.
    pub name: String,
    /// What it needs.
    pub inputs: Vec<Digest>,
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was done.
    Done,
    /// It had been done before.
    Cached,
    /// It failed; the text is the fault with its causes.
    Failed(String),
    /// The build was cancelled, or another piece of work failed.
    Cancelled,
}

/// How far a part of a piece of work is: a layer of a pull, the bytes of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The piece of work.
    pub vertex: Digest,
    /// The part, unique within the vertex: `transferring context:`, a layer's digest.
    pub id: String,
    /// Bytes done, or 0 where nothing is counted.
    pub current: u64,
    /// Bytes to do, or 0 if nobody knows.
    pub total: u64,
    /// When the part began.
    pub started: Timestamp,
    /// When it ended; none while it goes on.
    pub completed: Option<Timestamp>,
}

/// What a program has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The step that runs it.
    pub vertex: Digest,
    /// Where it was written to.
    pub stream: Stream,
    /// What was written; not cut at lines or characters.
    pub bytes: Vec<u8>,
    /// When it was read.
    pub at: Timestamp,
}

/// A program's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: 1 in BuildKit's protocol.
    Stdout,
    /// Standard error: 2.
    Stderr,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The vertex it is told with: that of the Dockerfile.
    pub vertex: Digest,
    /// The rule, the text and the lines.
    pub lint: Lint,
}

/// The classic builder's view of an instruction, `FROM` included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The stage, by its number in the file. Stages that do not need each other are built at once,
    /// so that a door which tells one after the other has to put some aside.
    pub stage: usize,
    /// Its number among the instructions of all stages that are built, from 1.
    pub number: usize,
    /// How many there are.
    pub total: usize,
    /// What happens to it.
    pub what: What,
}

/// What happens to an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It begins; the text is the instruction with its lines joined.
    Began(String),
    /// A program is started for it, beneath this name.
    Running(String),
    /// The program has written something.
    Wrote(Stream, Vec<u8>),
    /// It was done before: nothing is run.
    Cached,
    /// It is done; the digest stands for the state behind it.
    Ended(Digest),
}
