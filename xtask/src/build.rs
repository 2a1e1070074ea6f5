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
/// The programs among them that run inside containers.
const GUESTS: &[&str] = &["gantry-hello", "gantry-init"];
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
    let small = build_static("small", SMALL)?;
    let embedded = embed(&small, &target.join("embedded"))?;
    cargo_build(&["--release"], FAST, |cargo| {
        cargo.envs(embedded);
    })?;
    for name in BESIDE {
        replace(&small.join(name), &release.join(name))?;
    }
    Ok(release)
}

/// The same programs with the profile of the tests, unoptimised: built together with the tests in
/// little more time than those alone. Gives their folder, `target/debug`.
pub(crate) fn debug() -> Result<PathBuf> {
    let debug = workspace::target()?.join("debug");
    // What runs in containers is static in any case.
    let embedded = embed(&build_static("dev", GUESTS)?, &debug.join("embedded"))?;
    cargo_build(&[], &[FAST, BESIDE].concat(), |cargo| {
        cargo.envs(embedded);
    })?;
    Ok(debug)
}

/// The variables by which `debug` tells gantryd's build what to embed.
pub(crate) fn debug_embedded() -> Result<Embedded> {
    Ok(embedded(&workspace::target()?.join("debug/embedded")))
}

/// What gantryd's build embeds, by the variables it reads.
type Embedded = [(&'static str, PathBuf); 2];

fn embedded(dir: &Path) -> Embedded {
    [
        ("GANTRY_EMBEDDED_IMAGE", dir.join("hello.tar")),
        ("GANTRY_EMBEDDED_INIT", dir.join("gantry-init")),
    ]
}

/// Static without another target: the host's own, with its C library linked in.
fn build_static(profile: &str, packages: &[&str]) -> Result<PathBuf> {
    let flags = ["--profile", profile, "--target", TRIPLE];
    cargo_build(&flags, packages, |cargo| {
        let triple = TRIPLE.to_uppercase().replace('-', "_");
        let key = format!("CARGO_TARGET_{triple}_RUSTFLAGS");
        cargo.env(key, "-C target-feature=+crt-static");
    })?;
    // cargo's folder of the profile `dev` has a name of its own.
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(workspace::target()?.join(TRIPLE).join(folder))
}

/// Puts what gantryd embeds into `dir`.
fn embed(guests: &Path, dir: &Path) -> Result<Embedded> {
    fs::create_dir_all(dir)?;
    let embedded = embedded(dir);
    let [(_, image), (_, init)] = &embedded;
    crate::image::write(&guests.join("hello"), image)?;
    replace(&guests.join("gantry-init"), init)?;
    Ok(embedded)
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
