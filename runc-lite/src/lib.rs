//! runc-lite, the OCI runtime: creates a container and exits.
//!
//! It speaks runc's command line, so that it can take runc's place under any engine. It has one thread
//! and no async runtime, because it forks. `plan` turns a configuration into ordered steps, purely;
//! `launch` makes the process and talks to it; `init` carries out the steps inside; `command` has one
//! file per verb.

mod cli;
mod command;
mod error;
mod hooks;
mod init;
mod launch;
mod log;
mod plan;
mod protect;
mod seccomp;
mod spec;
mod state;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use cli::{UsageError, parse_global};
use command::{Failure, VERBS};
use gantry_linux::seccomp::Instruction;
use gantry_probe::trace;

/// What would become of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// What the first process would do to its surroundings and to itself, told step by step.
    pub steps: Vec<String>,
    /// The system call filter it would load; empty without one.
    pub filter: Vec<Instruction>,
}

/// Reads a `config.json` and plans a container from it, touching nothing of the machine: for fuzzing,
/// and for whoever wants to see the plan.
///
/// # Errors
/// In the words that `create` would use.
pub fn rehearse(config: &[u8]) -> Result<Rehearsal, String> {
    let told = |error: error::RunError| error::tell(&error);
    let spec = spec::parse(config, Path::new("config.json")).map_err(|error| told(error.into()))?;
    let plan = plan::plan(&spec, "rehearsal", plan::Options::default())
        .map_err(|error| told(error.into()))?;
    let steps = plan.steps.iter().chain(&plan.process.steps);
    Ok(Rehearsal {
        steps: steps.map(|step| format!("{step:?}")).collect(),
        filter: plan
            .process
            .filter
            .map_or_else(Vec::new, |(filter, _)| filter),
    })
}

/// The program: its arguments to its exit code.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    ExitCode::from(run(&args))
}

fn run(args: &[String]) -> u8 {
    let global = match parse_global(args) {
        Ok(global) => global,
        Err(error) => {
            println!("Incorrect Usage. {error}\n");
            let _closed = cli::print_overview(io::stdout());
            log::error(&error.to_string());
            return 1;
        }
    };
    if let Err(error) = log::init(global.log.as_deref(), &global.log_format, global.debug) {
        log::error(&error::tell(&error));
        return 1;
    }
    if global.version {
        command::print_version();
        return 0;
    }
    let Some((name, rest)) = global.rest.split_first().filter(|_| !global.help) else {
        let _closed = cli::print_overview(io::stdout());
        return 0;
    };
    if name == "help" {
        let _closed = cli::print_overview(io::stdout());
        return 0;
    }
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        log::error(&UsageError::NoVerb { verb: name.clone() }.to_string());
        return 3;
    };
    // A trace that cannot be written is no reason not to run a container.
    let _ = trace::open("runc-lite", None);
    let _phase = trace::phase(format!("runc-lite {name}"));
    match verb.run(&global, rest) {
        Ok(code) => code,
        Err(Failure { text, code }) => {
            log::error(&text);
            code
        }
    }
}
