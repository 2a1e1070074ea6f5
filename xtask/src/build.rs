//! `cargo xtask build`: all programs in release; the small ones static, under a profile of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{command, workspace};

/// Packages built small and static: they are paid for once per container, or run inside one.
const SMALL: &[&str] = &[
    "containerd-shim-lite-v2",
    "gantry-hello",
    "gantry-init",
    "runc-lite",
];
/// The programs among them that stand beside the daemons.
const BESIDE: &[&str] = &["containerd-shim-lite-v2", "runc-lite"];
/// Packages built fast.
const FAST: &[&str] = &["gantry", "gantryd", "containerd-lite"];

#[cfg(target_arch = "aarch64")]
const TRIPLE: &str = "aarch64-unknown-linux-gnu";
#[cfg(not(target_arch = "aarch64"))]
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Builds everything and gives the folder of the programs, `target/release`.
pub(crate) fn all() -> Result<PathBuf> {
    let target = workspace::target()?;
    let release = target.join("release");
    let small = target.join(TRIPLE).join("small");
    cargo_build(
        &["--profile", "small", "--target", TRIPLE],
        SMALL,
        |cargo| {
            // Static without another target: the host's own, with its C library linked in.
            let key = format!(
                "CARGO_TARGET_{}_RUSTFLAGS",
                TRIPLE.to_uppercase().replace('-', "_")
            );
            cargo.env(key, "-C target-feature=+crt-static");
        },
    )?;
    let embedded = target.join("embedded");
    fs::create_dir_all(&embedded)?;
    let image = embedded.join("hello.tar");
    crate::image::write(&small.join("hello"), &image)?;
    let init = embedded.join("gantry-init");
    replace(&small.join("gantry-init"), &init)?;
    cargo_build(&["--release"], FAST, |cargo| {
        cargo
            .env("GANTRY_EMBEDDED_IMAGE", &image)
            .env("GANTRY_EMBEDDED_INIT", &init);
    })?;
    for name in BESIDE {
        replace(&small.join(name), &release.join(name))?;
    }
    Ok(release)
}

fn cargo_build(flags: &[&str], packages: &[&str], set: impl FnOnce(&mut Command)) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.arg("build").args(flags);
    for package in packages {
        cargo.args(["--package", package]);
    }
    set(&mut cargo);
    command::run(&mut cargo)
}

/// Puts a copy in place at once, so that a running program keeps its file; unchanged content is
/// left alone, so that what was built from it stays fresh.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh)?;
    fs::rename(&fresh, to).with_context(|| format!("cannot write {}", to.display()))
}
