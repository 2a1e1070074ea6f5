//! `gantry image …` and its short forms.

use crate::command::inspect::InspectImage;
use crate::dispatch::{Arity, Verb};

mod explain;
mod history;
mod load;
pub(crate) mod ls;
mod push;
mod rm;
mod tree;

pub(crate) use rm::prune;

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<explain::Explain>(
        &["image explain"],
        "[OPTIONS] IMAGE",
        "Show what each layer of an image costs and which of its files are hidden by later ones",
        Arity::Exactly(1),
    ),
    Verb::new::<history::History>(
        &["image history", "history"],
        "[OPTIONS] IMAGE",
        "Show the history of an image",
        Arity::Exactly(1),
    ),
    Verb::new::<load::Import>(
        &["image import", "import"],
        "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
        "Import the contents from a tarball to create a filesystem image",
        Arity::AtLeast(1),
    ),
    Verb::new::<InspectImage>(
        &["image inspect"],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Display detailed information on one or more images",
        Arity::AtLeast(1),
    ),
    Verb::new::<load::Load>(
        &["image load", "load"],
        "[OPTIONS]",
        "Load an image from a tar archive or STDIN",
        Arity::Exactly(0),
    ),
    Verb::new::<ls::Ls>(
        &["image ls", "image list", "images"],
        "[OPTIONS] [REPOSITORY[:TAG]]",
        "List images",
        Arity::AtMost(1),
    ),
    Verb::new::<rm::Prune>(
        &["image prune"],
        "[OPTIONS]",
        "Remove unused images",
        Arity::Exactly(0),
    ),
    Verb::new::<load::Pull>(
        &["image pull", "pull"],
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        "Download an image from a registry",
        Arity::Exactly(1),
    ),
    Verb::new::<push::Push>(
        &["image push", "push"],
        "[OPTIONS] NAME[:TAG]",
        "Upload an image to a registry",
        Arity::Exactly(1),
    ),
    Verb::new::<rm::Rm>(
        &["image rm", "image remove", "rmi"],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Remove one or more images",
        Arity::AtLeast(1),
    ),
    Verb::new::<load::Save>(
        &["image save", "save"],
        "[OPTIONS] IMAGE [IMAGE...]",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
        Arity::AtLeast(1),
    ),
    Verb::new::<rm::Tag>(
        &["image tag", "tag"],
        "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        Arity::Exactly(2),
    ),
];
