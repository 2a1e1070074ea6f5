//! `gantry network …`. Networks of one's own come with a later engine; what the API offers today
//! is listed and inspected, the rest passes through to engines that have it.

use crate::command::inspect::InspectNetwork;
use crate::dispatch::{Arity, Verb};

mod ls;
mod rm;

pub(super) const VERBS: &[Verb] = &[
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
    Verb::new::<rm::Rm>(
        &["network rm", "network remove"],
        "NETWORK [NETWORK...]",
        "Remove one or more networks",
        Arity::AtLeast(1),
    ),
];
