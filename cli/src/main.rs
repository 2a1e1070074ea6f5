//! `gantry`, the command line: docker's words for containers, images, volumes and networks, and
//! `gantry engine` for a local engine.
//!
//! One process, one thread for the command (tokio's current-thread runtime), plus two blocking
//! threads while a terminal or a pipe is attached. It speaks the Docker Engine API and knows
//! nothing of the daemon's insides, so it works against any engine that serves that API. Called as
//! `docker` it answers under that name.
//!
//! stdout carries data, stderr carries talk; a reader that goes away (`gantry ps | head -1`) is
//! success.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use gantry_probe::trace;

mod archive;
mod client;
mod command;
mod config;
mod context;
mod credentials;
mod diagnostics;
mod dispatch;
mod exit;
mod flags;
mod format;
mod printer;
mod progress;
mod terminal;

fn main() -> ExitCode {
    terminal::restore_on_panic();
    // A trace that cannot be written is no reason not to obey.
    let _ = trace::open("gantry", None);
    let _phase = trace::phase("gantry");
    dispatch::main(std::env::args().collect())
}
