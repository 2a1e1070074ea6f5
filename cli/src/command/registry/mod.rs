//! `gantry login` and `logout`.

mod login;
mod logout;

use crate::dispatch::{Arity, Verb};

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
];
