//! `gantry volume …`.

use crate::command::inspect::InspectVolume;
use crate::dispatch::{Arity, Verb};

mod content;
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
    Verb::new::<content::Export>(
        &["volume export"],
        "[OPTIONS] VOLUME",
        "Export a volume's contents as a tar archive",
        Arity::Exactly(1),
    ),
    Verb::new::<content::Import>(
        &["volume import"],
        "VOLUME [FILE|-]",
        "Fill an empty or a new volume from a tar archive",
        Arity::Between(1, 2),
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
    Verb::new::<content::Rename>(
        &["volume rename"],
        "VOLUME NEW_NAME",
        "Rename a volume that no container uses",
        Arity::Exactly(2),
    ),
    Verb::new::<rm::Rm>(
        &["volume rm", "volume remove"],
        "[OPTIONS] VOLUME [VOLUME...]",
        "Remove one or more volumes",
        Arity::AtLeast(1),
    ),
];
