//! `cargo xtask bare`: the first command of the README, by its own words, where a person with nothing
//! would type it: a minimal Debian tree with a C linker, a clean clone of the last commit, the Rust
//! toolchain, and no network at all (cargo finds what this machine has downloaded before).
//!
//! Kept under `target/bare`: the tree. Made anew each time: the clone and its target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{apt, command, peers, workspace};

/// What the tree has besides Debian's minimum.
const PACKAGES: &[&str] = &["gcc", "libc6-dev"];

/// Enters the tree as a machine of its own: namespaces, mounts, no links but loopback.
const ENTER: &str = include_str!("../bare/enter.sh");
/// What is typed inside, and what must come out of it.
const INSIDE: &str = include_str!("../bare/inside.sh");

/// Runs the proof; it takes as long as a release build.
///
/// # Errors
/// With the first thing that did not hold.
pub(crate) fn prove() -> Result<()> {
    let home = workspace::target()?.join("bare");
    let root = tree(&home)?;
    clone(&home, &root)?;
    // All crates of the lock file, as far as this machine does not have them yet.
    command::run(workspace::cargo().args(["fetch", "--locked", "--quiet"]))?;
    fs::write(root.join("inside.sh"), INSIDE)?;
    let mut enter = Command::new("unshare");
    enter.args(["--mount", "--net", "--ipc", "--uts", "--pid", "--fork"]);
    enter.args(["--kill-child", "sh", "-euc", ENTER, "enter"]);
    enter.arg(&root).arg(toolchain()?).arg(cargo_home()?);
    command::run(enter.arg(home.join("cargo")))?;
    command::say("`cargo xtask run` holds in a bare tree");
    peers::remove(&root.join("src"))
}

fn tree(home: &Path) -> Result<PathBuf> {
    let root = home.join("root");
    let mark = home.join("complete");
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(root);
    }
    command::say("making a bare tree under target/bare (half a minute, once)");
    peers::remove(home)?;
    fs::create_dir_all(home)?;
    let tools = home.join("tools");
    apt::unpack(None, &["mmdebstrap"], &tools)?;
    apt::tree(&tools, PACKAGES, &root)?;
    fs::write(mark, wanted)?;
    Ok(root)
}

/// A clean clone of the last commit, as nobody but git sees it.
fn clone(home: &Path, root: &Path) -> Result<()> {
    let source = root.join("src");
    peers::remove(&source)?;
    peers::remove(&home.join("cargo"))?;
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", "--no-local", "--depth=1"]);
    git.arg(format!("file://{}", workspace::root().display()));
    command::output(git.arg(source)).map(|_| ())
}

/// The folder of the Rust toolchain, without rustup.
fn toolchain() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace::root());
    let sysroot = command::output(rustc.args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(sysroot.trim()))
}

/// Where cargo keeps what it has downloaded.
fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(PathBuf::from(home));
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cargo"))
}
