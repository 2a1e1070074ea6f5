//! The command line: runc's verbs and flags, parsed as Go's flag package does.

mod flags;
mod global;
mod help;

pub(crate) use flags::{Flag, Parsed, UsageError, parse};
pub(crate) use global::{Global, parse_global};
pub(crate) use help::{print_command, print_overview};
