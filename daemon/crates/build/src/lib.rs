//! Builds: from a request to an image.
//!
//! A door makes a [`Request`] and says by a [`Client`] where the client's files, secrets and
//! registries are reached; [`Solver::build`] does the rest and tells [`Progress`] about it (ADR 25).
//!
//! A step's files come from one tree (the context, a stage, an image) and go to another (the root
//! of the stage). Both are directories behind descriptors, and every path is resolved by the kernel
//! as if the tree's root were `/`: no name and no link leads out. What is copied where follows
//! BuildKit; the tests compare with trees that it made.
//!
//! Synchronous: a build holds the thread it is called on, and takes more for stages that do not need
//! each other. Deliberately not here: which steps there are (`gantry-dockerfile`), how programs are
//! run, the protocols of the doors.

mod add;
mod cancel;
mod copy;
mod digests;
mod error;
mod fault;
mod local;
mod memory;
mod owner;
mod pivot;
mod port;
mod progress;
mod request;
mod select;
mod solve;
mod tree;

pub use cancel::{Cancel, Waiting};
pub use copy::{copy, make_directory};
pub use digests::Digests;
pub use error::CopyError;
pub use fault::{BuildError, Fault};
pub use gantry_dockerfile::IgnoreError as IgnoreFault;
pub use local::LocalContext;
pub use memory::{Attached, Extent, Memory, Room};
pub use owner::Owner;
pub use port::{
    Agent, Answered, Asked, Cache, Client, Context, Found, Keys, MountSource, NoKeys, OnFail,
    ReadyMount, Record, Refusal, Registry, Run, RunError, Runner, Wanted, Web,
};
pub use progress::{
    Ending, Event, Instruction, Log, Progress, Status, Stream, Vertex, Warning, What,
};
pub use request::{Export, HostNetwork, Limits, NamedContext, Pull, Request, Reuse, Ulimit};
pub use solve::{
    Kept, Outcome, PruneFilter, Pruned, Remote, RemoteWanted, Solver, SolverParts, is_address,
    unmount_beneath,
};
pub use tree::Tree;
