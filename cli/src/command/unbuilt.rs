//! docker's commands that are not built yet: they say so, and nothing happens.

use anyhow::{Result, bail};

use crate::context::Context;
use crate::dispatch::{Arity, Execute, Verb};
use crate::exit::Exit;

/// A command that is known and not built; it takes any words.
#[derive(Debug, clap::Args)]
pub(crate) struct Unbuilt {
    #[arg(value_name = "ARG", allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Execute for Unbuilt {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let name = &cx.verb;
        let with = match self.args.first() {
            Some(first) if !name.contains(' ') => format!(" {first}"),
            _ => String::new(),
        };
        bail!("{}: '{name}{with}' is not built yet", cx.program)
    }
}

const fn unbuilt(names: &'static [&'static str], about: &'static str) -> Verb {
    Verb::new::<Unbuilt>(names, "[ARG...]", about, Arity::Any)
        .stopping()
        .hidden()
}

pub(super) const VERBS: &[Verb] = &[
    unbuilt(&["buildx"], "Docker Buildx"),
    unbuilt(&["compose"], "Docker Compose"),
    unbuilt(&["builder prune"], "Remove build cache"),
    unbuilt(&["checkpoint"], "Manage checkpoints"),
    unbuilt(&["config"], "Manage Swarm configs"),
    unbuilt(&["node"], "Manage Swarm nodes"),
    unbuilt(&["plugin"], "Manage plugins"),
    unbuilt(&["secret"], "Manage Swarm secrets"),
    unbuilt(&["service"], "Manage Swarm services"),
    unbuilt(&["stack"], "Manage Swarm stacks"),
    unbuilt(&["swarm"], "Manage Swarm"),
    unbuilt(&["trust"], "Manage trust on images"),
    unbuilt(&["volume update"], "Update a cluster volume"),
    unbuilt(&["context create"], "Create a context"),
    unbuilt(&["context export"], "Export a context"),
    unbuilt(&["context import"], "Import a context"),
    unbuilt(&["context inspect"], "Display information on contexts"),
    unbuilt(&["context rm", "context remove"], "Remove contexts"),
    unbuilt(&["context update"], "Update a context"),
    unbuilt(&["context use"], "Set the current context"),
];
