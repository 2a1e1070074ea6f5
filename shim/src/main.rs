//! One per container: its parent, the owner of its stdio, the keeper of its exit status.
//!
//! `start` leaves a server behind ([`bootstrap`], [`server`]); the server answers containerd's Task
//! service ([`service`]) from its core ([`task`]), which runs the OCI runtime ([`runtime`]), waits for
//! processes ([`reaper`]), owns their streams ([`stdio`], [`log`], [`control`]) and tells the
//! supervisor what happens ([`events`]). `delete` cleans up after a server ([`cleanup`]).

mod arguments;
mod bootstrap;
mod cleanup;
mod console;
mod control;
mod events;
mod exits;
mod log;
mod oom;
mod reaper;
mod rootfs;
mod runtime;
mod server;
mod service;
mod stdio;
mod task;
mod watched;

use std::error::Error;
use std::process::ExitCode;

use gantry_errors::chain;
use gantry_probe::trace;

use arguments::{Action, Arguments};

fn main() -> ExitCode {
    match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => match run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.as_ref()),
        },
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("containerd-shim-lite-v2: {}", chain(error));
    ExitCode::FAILURE
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    // A trace that cannot be written is no reason not to run a container.
    let _ = trace::open("containerd-shim-lite-v2", None);
    match arguments.action {
        Action::Start => Ok(bootstrap::start(arguments)?),
        Action::Delete => Ok(cleanup::delete(&arguments)?),
        Action::Version => {
            println!(
                "containerd-shim-lite-v2:\n  Version: {}",
                env!("CARGO_PKG_VERSION")
            );
            Ok(())
        }
        Action::Info => Ok(service::print_info()?),
    }
}
