//! `cargo xtask run`: an engine of the checkout's own, under `target/engine`, and `gantry` with it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{build, command, workspace};

/// Where the engine of this checkout keeps its things.
struct Home(PathBuf);

impl Home {
    fn of_checkout() -> Result<Self> {
        Ok(Self(workspace::target()?.join("engine")))
    }

    fn host(&self) -> String {
        format!("unix://{}", self.0.join("run/gantry.sock").display())
    }

    /// The flags that make `gantry engine …` and gantryd mean this engine.
    fn flags(&self) -> Vec<String> {
        let path = |name: &str| self.0.join(name).display().to_string();
        vec![
            format!("--data-root={}", path("data")),
            format!("--exec-root={}", path("run")),
            format!("--pidfile={}", path("run/gantryd.pid")),
        ]
    }
}

/// Builds, starts the engine if none answers, and runs `gantry` with `args`.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let programs = build::all()?;
    let home = Home::of_checkout()?;
    match args.split_first() {
        Some((first, rest)) if first == "engine" => return engine(&programs, &home, rest),
        _ => {}
    }
    if !answers(&programs, &home) {
        command::say("starting an engine under target/engine");
        let start = engine(&programs, &home, &["start".to_owned()])?;
        if start != ExitCode::SUCCESS {
            return Ok(start);
        }
    }
    let mut gantry = gantry(&programs, &home);
    if args.is_empty() {
        gantry.args(["run", "--rm", "gantry/hello"]);
    } else {
        gantry.args(args);
    }
    finish(&mut gantry)
}

/// `gantry engine VERB` for this engine: where it lives is said by us, the rest by the caller.
fn engine(programs: &Path, home: &Home, args: &[String]) -> Result<ExitCode> {
    let mut gantry = gantry(programs, home);
    gantry.arg("engine").args(args.first());
    gantry
        .args(home.flags())
        .args(args.get(1..).unwrap_or_default());
    finish(&mut gantry)
}

fn gantry(programs: &Path, home: &Home) -> Command {
    let mut gantry = Command::new(programs.join("gantry"));
    gantry.args(["--host", &home.host()]);
    gantry
}

fn answers(programs: &Path, home: &Home) -> bool {
    let mut version = gantry(programs, home);
    version.args(["version", "--format", "{{.Server.Version}}"]);
    version.output().is_ok_and(|o| o.status.success())
}

fn finish(gantry: &mut Command) -> Result<ExitCode> {
    let status = gantry.status().context("cannot start gantry")?;
    // A signal's number is told as shells tell it.
    let code = status.code().and_then(|c| u8::try_from(c).ok());
    Ok(code.map_or(ExitCode::from(255), ExitCode::from))
}
