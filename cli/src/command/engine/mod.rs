//! `gantry engine …`: a local engine for people without an init system, and its units for those
//! with one.
//!
//! The engine is `gantryd`, found beside this program or in PATH. It runs in a session of its own,
//! so that the terminal it was started from may close.

use crate::dispatch::{Arity, Verb};

mod install;
mod place;
mod start;
mod status;
mod stop;
mod supervisor;
mod units;

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<install::Install>(
        &["engine install"],
        "[OPTIONS]",
        "Write the engine's systemd units",
        Arity::Exactly(0),
    ),
    Verb::new::<start::Start>(
        &["engine start"],
        "[OPTIONS] [-- ENGINE FLAGS...]",
        "Start a local engine in the background",
        Arity::Any,
    ),
    Verb::new::<start::Detach>(
        &["engine detach"],
        "PROGRAM [ARG...]",
        "Run a program in a session of its own",
        Arity::AtLeast(1),
    )
    .stopping()
    .hidden(),
    Verb::new::<status::Status>(
        &["engine status"],
        "[OPTIONS]",
        "Tell whether the engine runs, and where it keeps what",
        Arity::Exactly(0),
    ),
    Verb::new::<stop::Stop>(
        &["engine stop"],
        "[OPTIONS]",
        "Stop the local engine; containers run on",
        Arity::Exactly(0),
    ),
];
