//! The container supervisor, with containerd's gRPC services.
//!
//! ```text
//! edge (gRPC) ──▶ task::Table ──▶ task actor ──▶ shim (gRPC, `start`/`delete` calls)
//!      │               ▲             │
//!      ├──▶ store      └─ Events/Forward ──▶ event::Journal ──▶ subscribers
//! ```
//!
//! It may be killed at any instant: definitions are in `--root` ([`store`]), what runs is known from the
//! bundles in `--state` and from the shims themselves ([`recover`]), events are in a journal there.

mod app;
mod config;
mod edge;
mod event;
mod filter;
mod keeper;
mod lock;
mod names;
mod recover;
mod shim;
mod store;
mod supervisor;
mod task;
mod typed;

use std::process::ExitCode;

fn main() -> ExitCode {
    match app::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("containerd-lite: {}", gantry_errors::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
