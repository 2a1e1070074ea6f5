//! The table of commands, one module per group of docker's.

use crate::dispatch::{Group, Verb};

mod confirm;
mod container;
mod output;

/// What `--version` calls the build.
pub(crate) const BUILD: &str = match option_env!("GANTRY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Words that hold other commands.
pub(crate) const GROUPS: &[Group] = &[Group {
    name: "container",
    about: "Manage containers",
}];

/// Every command, by group.
pub(crate) const TABLES: &[&[Verb]] = &[container::VERBS];
