//! `gantry network …`.

use crate::command::inspect::InspectNetwork;
use crate::dispatch::{Arity, Verb};

mod create;
mod graph;
mod ls;
mod membership;
mod prune;
mod rm;

pub(crate) use prune::prune;

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<membership::Connect>(
        &["network connect"],
        "[OPTIONS] NETWORK CONTAINER",
        "Connect a container to a network",
        Arity::Exactly(2),
    ),
    Verb::new::<create::Create>(
        &["network create"],
        "[OPTIONS] NETWORK",
        "Create a network",
        Arity::Exactly(1),
    ),
    Verb::new::<membership::Disconnect>(
        &["network disconnect"],
        "[OPTIONS] NETWORK CONTAINER",
        "Disconnect a container from a network",
        Arity::Exactly(2),
    ),
    Verb::new::<graph::Graph>(
        &["network graph"],
        "[OPTIONS] [NETWORK...]",
        "Draw networks, containers, their ports, and who can reach whom",
        Arity::Any,
    ),
    Verb::new::<InspectNetwork>(
        &["network inspect"],
        "[OPTIONS] NETWORK [NETWORK...]",
        "Display detailed information on one or more networks",
        Arity::AtLeast(1),
    ),
    Verb::new::<ls::Ls>(
        &["network ls", "network list"],
        "[OPTIONS]",
        "List networks",
        Arity::Exactly(0),
    ),
    Verb::new::<prune::Prune>(
        &["network prune"],
        "[OPTIONS]",
        "Remove all unused networks",
        Arity::Exactly(0),
    ),
    Verb::new::<rm::Rm>(
        &["network rm", "network remove"],
        "NETWORK [NETWORK...]",
        "Remove one or more networks",
        Arity::AtLeast(1),
    ),
];
