//! From the words of the command line to one command: global flags, the table of verbs, docker's
//! error texts, help.
//!
//! Only the verb that was asked for builds its parser, so start-up does not pay for the others.

mod arity;
mod flags;
mod help;
mod root;
mod suggest;
mod verb;

pub(crate) use arity::Arity;
pub(crate) use flags::{go_bool, parser};
pub(crate) use root::{all_verbs, main};
pub(crate) use verb::{Execute, Group, Verb};
