//! `cargo xtask test`: installs what the tests need and runs all of them.
//!
//! In this order, so that what is cheap fails first: formatting, tidy, lints, unit and crate tests,
//! the programs built as users get them, the whole stack. `--quick` leaves out the comparison with
//! stock engines and the whole-stack tests that take minutes.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{apt, build, command, peers, python, sshd, tidy, workspace};

/// Runs it all; `args` may hold `--quick` and one word that tests' names must contain.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut quick, mut oracle, mut word) = (false, false, None);
    for arg in args {
        match arg.as_str() {
            "--quick" => quick = true,
            "--oracle" => oracle = true,
            flag if flag.starts_with('-') => bail!("`cargo xtask test` has no {flag}"),
            name => word = Some(name),
        }
    }
    apt::install()?;
    if oracle {
        let peers = peers::fetch()?;
        return step("the whole stack's tests on stock dockerd", || {
            on_stock(&peers, word)
        });
    }
    if word.is_none() {
        step("formatting", || {
            command::run(workspace::cargo().args(["fmt", "--all", "--", "--check"]))
        })?;
        step("tidy", tidy::check)?;
        step("lints", || {
            let flags = [
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--",
                "-Dwarnings",
            ];
            command::run(workspace::cargo().args(flags))
        })?;
    }
    let peers = peers::fetch()?;
    let programs = step("programs", build::all)?;
    step("tests", || tests(&peers, &programs, quick, word))?;
    if quick || word.is_some() {
        return Ok(());
    }
    step("the whole stack's tests with runc", || {
        let mut cargo = workspace::cargo();
        cargo.args([
            "test",
            "--package",
            "integration-tests",
            "--test",
            "it",
            "--no-fail-fast",
        ]);
        environment(&mut cargo, &peers, &programs);
        clients(&mut cargo)?;
        command::run(cargo.env("GANTRY_TEST_RUNTIME", "runc"))
    })
}

fn tests(peers: &Path, programs: &Path, quick: bool, word: Option<&str>) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    cargo.args(word);
    environment(&mut cargo, peers, programs);
    clients(&mut cargo)?;
    if quick {
        cargo.env("GANTRY_TEST_QUICK", "1");
    }
    command::run(&mut cargo)
}

/// The tests of the whole stack, on stock dockerd: what they expect is proved there.
fn on_stock(peers: &Path, word: Option<&str>) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo
        .args(["test", "--package", "integration-tests", "--no-fail-fast"])
        .args(word);
    clients(&mut cargo)?;
    command::run(cargo.env("GANTRY_PEERS", peers).env("GANTRY_ORACLE", "1"))
}

/// What the tests drive the engine with, besides the command lines.
fn clients(cargo: &mut Command) -> Result<()> {
    cargo
        .env("GANTRY_PYTHON", python::environment()?)
        .env("GANTRY_SSHD", sshd::fetch()?);
    Ok(())
}

/// `cargo xtask bench`: the same preparation, then the measurements.
pub(crate) fn bench(sections: &[String]) -> Result<()> {
    apt::install()?;
    let peers = peers::fetch()?;
    let programs = build::all()?;
    let mut cargo = workspace::cargo();
    cargo.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "integration-tests",
        "--bin",
        "bench",
    ]);
    cargo.arg("--").args(sections);
    environment(&mut cargo, &peers, &programs);
    command::run(&mut cargo)
}

/// How tests find the stock engines and the built programs.
fn environment(cargo: &mut Command, peers: &Path, programs: &Path) {
    cargo
        .env("GANTRY_PEERS", peers)
        .env("GANTRY_PROGRAMS", programs);
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    command::say(&format!("== {name}"));
    let start = Instant::now();
    let result = work();
    command::say(&format!(
        "== {name}: {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    result
}
