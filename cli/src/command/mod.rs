//! The table of commands, one module per group of docker's.

use crate::dispatch::{Arity, Group, Verb};

mod build;
mod completion;
mod confirm;
mod container;
mod contexts;
mod engine;
mod image;
mod inspect;
mod network;
mod output;
mod registry;
mod system;
mod unbuilt;
mod volume;

/// What `--version` calls the build.
pub(crate) const BUILD: &str = match option_env!("GANTRY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// Words that hold other commands.
pub(crate) const GROUPS: &[Group] = &[
    Group::new("builder", "Manage builds"),
    Group::new("container", "Manage containers"),
    Group::new("context", "Manage contexts"),
    Group::new("engine", "Manage a local engine"),
    Group::new("image", "Manage images"),
    Group::new("manifest", "Manage image manifests and manifest lists"),
    Group::new("network", "Manage networks"),
    Group::new("system", "Manage the engine's host"),
    Group::new("volume", "Manage volumes"),
];

/// Commands of no group.
const LOOSE: &[Verb] = &[
    Verb::new::<completion::Completion>(
        &["completion"],
        "SHELL",
        "Generate the autocompletion script for the specified shell",
        Arity::Exactly(1),
    ),
    Verb::new::<inspect::Inspect>(
        &["inspect"],
        "[OPTIONS] NAME|ID [NAME|ID...]",
        "Return low-level information on engine objects",
        Arity::AtLeast(1),
    ),
];

/// Every command, by group.
pub(crate) const TABLES: &[&[Verb]] = &[
    build::VERBS,
    container::VERBS,
    contexts::VERBS,
    engine::VERBS,
    image::VERBS,
    network::VERBS,
    registry::VERBS,
    registry::MANIFEST_VERBS,
    system::VERBS,
    volume::VERBS,
    LOOSE,
    unbuilt::VERBS,
];
