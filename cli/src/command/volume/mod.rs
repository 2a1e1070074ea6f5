//! `gantry volume …`.

use crate::command::inspect::InspectVolume;
use crate::dispatch::{Arity, Verb};

mod create;
mod ls;
mod rm;

pub(crate) use ls::{LISTING, row};
pub(crate) use rm::prune;

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<create::Create>(
        &["volume create"],
        "[OPTIONS] [VOLUME]",
        "Create a volume",
        Arity::AtMost(1),
    ),
    Verb::new::<InspectVolume>(
        &["volume inspect"],
        "[OPTIONS] VOLUME [VOLUME...]",
        "Display detailed information on one or more volumes",
        Arity::AtLeast(1),
    ),
    Verb::new::<ls::Ls>(
        &["volume ls", "volume list"],
        "[OPTIONS]",
        "List volumes",
        Arity::Exactly(0),
    ),
    Verb::new::<rm::Prune>(
        &["volume prune"],
        "[OPTIONS]",
        "Remove unused local volumes",
        Arity::Exactly(0),
    ),
    Verb::new::<rm::Rm>(
        &["volume rm", "volume remove"],
        "[OPTIONS] VOLUME [VOLUME...]",
        "Remove one or more volumes",
        Arity::AtLeast(1),
    ),
];
