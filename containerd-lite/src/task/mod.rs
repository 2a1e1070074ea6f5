//! Tasks: the running side of containers.
//!
//! [`machine`] is the pure life of one task. One actor ([`actor`]) owns one machine: it feeds it what
//! clients ask and what the shim says, carries out the effects, and publishes the state in a `watch`
//! that `Get`, `List` and `Wait` read without ever waiting for a container. [`Table`] finds actors.

mod actor;
mod context;
mod error;
mod handle;
mod jobs;
mod machine;
mod process;
mod record;
mod table;

pub(crate) use context::Context;
pub(crate) use error::TaskError;
pub(crate) use handle::{Answer, CreateLoad, Handle, Load};
pub(crate) use machine::{Op, Sight};
pub(crate) use process::{Exit, Phase, Process, ProcessId, Stdio};
pub(crate) use record::Record;
pub(crate) use table::{Claim, Table};
