//! `gantry system …`, `info`, `version`, `events`, `stats`.

use crate::dispatch::{Arity, Verb};

mod df;
mod df_verbose;
mod dial;
mod events;
mod fsck;
mod info;
mod info_text;
mod prune;
mod stats;
mod usage;
mod version;

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<df::Df>(
        &["system df"],
        "[OPTIONS]",
        "Show docker disk usage",
        Arity::Exactly(0),
    ),
    Verb::new::<dial::DialStdio>(
        &["system dial-stdio"],
        "",
        "Proxy the stdio stream to the engine's connection",
        Arity::Exactly(0),
    )
    .hidden(),
    Verb::new::<events::Events>(
        &["system events", "events"],
        "[OPTIONS]",
        "Get real time events from the server",
        Arity::Exactly(0),
    ),
    Verb::new::<fsck::Fsck>(
        &["system fsck"],
        "[OPTIONS]",
        "Check everything that the engine stores",
        Arity::Exactly(0),
    ),
    Verb::new::<info::Info>(
        &["system info", "info"],
        "[OPTIONS]",
        "Display system-wide information",
        Arity::Exactly(0),
    ),
    Verb::new::<prune::Prune>(
        &["system prune"],
        "[OPTIONS]",
        "Remove unused data",
        Arity::Exactly(0),
    ),
    Verb::new::<stats::Stats>(
        &["container stats", "stats"],
        "[OPTIONS] [CONTAINER...]",
        "Display a live stream of container(s) resource usage statistics",
        Arity::Any,
    ),
    Verb::new::<version::Version>(
        &["version"],
        "[OPTIONS]",
        "Show the version information",
        Arity::Exactly(0),
    ),
];
