//! `cargo xtask deny`: licences, doubled crates and sources of what comes into the tree, by
//! cargo-deny, built once under `target/tools`.
//!
//! Not part of the tests, because it takes minutes to build; `dependencies` checks there what can be
//! read off cargo's own description. Advisories are left to whoever has the database at hand: `cargo deny check advisories`.

use std::process::Command;

use anyhow::Result;

use crate::{command, workspace};

/// The version the project's `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Installs cargo-deny if it is missing, and runs it.
pub(crate) fn check() -> Result<()> {
    let tools = workspace::target()?.join("tools");
    let program = tools.join("bin/cargo-deny");
    if !program.exists() {
        command::say("building cargo-deny under target/tools (minutes, once)");
        let mut install = workspace::cargo();
        install.args([
            "install",
            "--quiet",
            "--locked",
            "--version",
            VERSION,
            "--root",
        ]);
        command::run(install.arg(&tools).arg("cargo-deny"))?;
    }
    let mut deny = Command::new(program);
    deny.current_dir(workspace::root());
    command::run(deny.args(["--workspace", "check", "licenses", "bans", "sources"]))
}
