//! `gantry container …` and its short forms.

use crate::dispatch::{Arity, Verb};

mod ls;
mod summary;

/// The first twelve digits of an id.
pub(crate) fn short_id(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

pub(super) const VERBS: &[Verb] = &[Verb::new::<ls::Ls>(
    &["container ls", "container list", "container ps", "ps"],
    "[OPTIONS]",
    "List containers",
    Arity::Exactly(0),
)];
