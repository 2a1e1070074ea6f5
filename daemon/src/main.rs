//! The Docker Engine API daemon.

use std::process::ExitCode;

use gantry_daemon::app;
use gantry_daemon::config::{Config, Flags};
use gantry_errors::chain;

fn main() -> ExitCode {
    let flags = Flags::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let config = match Config::load(&flags) {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    if flags.validate {
        println!("configuration OK");
        return ExitCode::SUCCESS;
    }
    match app::run(config, flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("gantryd: {}", chain(error));
    ExitCode::FAILURE
}
