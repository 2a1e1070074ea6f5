//! `gantry login`, `logout`, `search` and `manifest`.

mod login;
mod logout;
mod manifest;
mod search;

use crate::dispatch::{Arity, Verb};

pub(super) use manifest::VERBS as MANIFEST_VERBS;

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<login::LogIn>(
        &["login"],
        "[OPTIONS] [SERVER]",
        "Authenticate to a registry",
        Arity::AtMost(1),
    ),
    Verb::new::<logout::LogOut>(
        &["logout"],
        "[SERVER]",
        "Log out from a registry",
        Arity::AtMost(1),
    ),
    Verb::new::<search::Search>(
        &["search"],
        "[OPTIONS] TERM",
        "Search Docker Hub for images",
        Arity::Exactly(1),
    ),
];
