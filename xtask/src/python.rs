//! docker-py, the Engine API client that nobody here wrote, in an environment of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{command, workspace};

/// What is installed, pinned.
const PACKAGES: &[&str] = &["docker==7.1.0", "requests==2.32.3", "urllib3==2.2.3"];

/// The environment's python, made under `target/python` if it is missing.
pub(crate) fn environment() -> Result<PathBuf> {
    let dir = workspace::target()?.join("python");
    let python = dir.join("bin/python3");
    let mark = dir.join("complete");
    let wanted = PACKAGES.join(" ");
    if std::fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(python);
    }
    command::say("making a python environment with docker-py under target/python");
    command::output(
        Command::new("/usr/bin/python3")
            .args(["-m", "venv", "--clear"])
            .arg(&dir),
    )?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    command::output(install.args(PACKAGES))?;
    std::fs::write(mark, wanted)?;
    Ok(python)
}
