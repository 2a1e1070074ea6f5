//! `cargo xtask tidy`: what rustc and clippy cannot see: arrows between crates, sizes of files,
//! modules without a word on what they own, and what must not be left lying about.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

/// A file longer than this has probably two reasons to change.
const MAX_LINES: usize = 400;

/// Crates by level; an arrow may only point to the same level or a lower one, and the programs
/// (level 3) never depend on each other. A crate that is not listed is an error.
const LEVELS: &[(u8, &[&str])] = &[
    (
        0,
        &[
            "gantry-capabilities",
            "gantry-dockerfile",
            "gantry-engine-api",
            "gantry-errors",
            "gantry-ids",
        ],
    ),
    (
        1,
        &[
            "gantry-build",
            "gantry-buildkit",
            "gantry-cgroup",
            "gantry-git",
            "gantry-image",
            "gantry-layer",
            "gantry-ledger",
            "gantry-linux",
            "gantry-netlink",
            "gantry-network",
            "gantry-registry",
            "gantry-probe",
            "gantry-resolver",
            "gantry-stdio",
            "gantry-telemetry",
        ],
    ),
    (2, &["gantry-proto"]),
    (
        3,
        &[
            "containerd-lite",
            "containerd-shim-lite-v2",
            "gantry",
            "gantry-hello",
            "gantry-init",
            "gantryd",
            "runc-lite",
        ],
    ),
    (4, &["integration-tests", "xtask"]),
];

/// Crates that a level, or a program, must do without, and why.
const ABSENT: &[(&str, &[&str], &str)] = &[
    (
        "gantry-capabilities",
        &["rustix", "libc", "nix", "tokio"],
        "level 0 is pure",
    ),
    (
        "gantry-errors",
        &["rustix", "libc", "nix", "tokio"],
        "level 0 is pure",
    ),
    (
        "gantry-ids",
        &["rustix", "libc", "nix", "tokio"],
        "level 0 is pure",
    ),
    (
        "gantry-engine-api",
        &["rustix", "libc", "nix", "tokio"],
        "level 0 is pure",
    ),
    (
        "gantry-dockerfile",
        &["rustix", "libc", "nix", "tokio"],
        "level 0 is pure",
    ),
    ("gantry-build", &["tokio"], "level 1 is synchronous"),
    ("gantry-cgroup", &["tokio"], "level 1 is synchronous"),
    ("gantry-image", &["tokio"], "level 1 is synchronous"),
    ("gantry-layer", &["tokio"], "level 1 is synchronous"),
    ("gantry-ledger", &["tokio"], "level 1 is synchronous"),
    ("gantry-linux", &["tokio"], "level 1 is synchronous"),
    ("gantry-git", &["tokio"], "level 1 is synchronous"),
    ("gantry-netlink", &["tokio"], "level 1 is synchronous"),
    ("gantry-network", &["tokio"], "level 1 is synchronous"),
    ("gantry-probe", &["tokio"], "level 1 is synchronous"),
    ("gantry-stdio", &["tokio"], "level 1 is synchronous"),
    (
        "runc-lite",
        &["tokio", "tonic"],
        "the runtime is single-threaded: it forks",
    ),
    (
        "gantry",
        &["gantry-proto", "tonic"],
        "the command line speaks only the Engine API",
    ),
];

/// The one crate that may write `unsafe` and use these.
const KERNEL_CRATE: &str = "gantry-linux";
const KERNEL_ONLY: &[&str] = &["libc", "nix"];

/// Left-overs that must not be committed, spelled so that this file does not match.
const BANNED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "unfinished code"),
    (concat!("unimplemented", "!("), "unfinished code"),
    (concat!("FIX", "ME"), "an unfinished thought"),
    (concat!("#[", "ignore"), "a test that is switched off"),
];

/// File names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "utils.rs",
    "util.rs",
    "helpers.rs",
    "common.rs",
    "misc.rs",
    "manager.rs",
];

/// Checks all of it.
///
/// # Errors
/// With every finding, a line each.
pub(crate) fn check() -> Result<()> {
    let mut findings = arrows()?;
    for file in sources()? {
        findings.extend(in_file(&file)?);
    }
    findings.extend(unlisted_decisions()?);
    if findings.is_empty() {
        return Ok(());
    }
    for finding in &findings {
        command::say(finding);
    }
    bail!("tidy found {} things", findings.len());
}

fn level(package: &str) -> Option<u8> {
    LEVELS
        .iter()
        .find(|(_, names)| names.contains(&package))
        .map(|(level, _)| *level)
}

fn arrows() -> Result<Vec<String>> {
    let metadata = workspace::metadata()?;
    let mut findings = Vec::new();
    for package in metadata["packages"]
        .as_array()
        .context("cargo metadata: packages")?
    {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(own) = level(name) else {
            findings.push(format!("{name}: give it a level in xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            findings.extend(arrow(name, own, to));
        }
    }
    Ok(findings)
}

fn arrow(name: &str, own: u8, to: &str) -> Option<String> {
    let between_programs = own == 3 && level(to) == Some(3);
    if between_programs || level(to).is_some_and(|l| l > own) {
        return Some(format!(
            "{name} must not depend on {to}: arrows point down, never across programs"
        ));
    }
    if KERNEL_ONLY.contains(&to) && name != KERNEL_CRATE {
        return Some(format!(
            "{name} must not depend on {to}: only {KERNEL_CRATE} may"
        ));
    }
    let (_, _, why) = ABSENT
        .iter()
        .find(|(n, absent, _)| *n == name && absent.contains(&to))?;
    Some(format!("{name} must not depend on {to}: {why}"))
}

/// Every Rust file git knows, or would know.
fn sources() -> Result<Vec<PathBuf>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(workspace::root());
    let list = git.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]);
    let root = workspace::root();
    let files = command::output(list)?
        .lines()
        .map(|l| root.join(l))
        .collect::<Vec<_>>();
    Ok(files.into_iter().filter(|f| f.exists()).collect())
}

fn in_file(file: &Path) -> Result<Vec<String>> {
    let shown = file
        .strip_prefix(workspace::root())
        .unwrap_or(file)
        .display()
        .to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    Ok(findings_in(&shown, &text))
}

fn findings_in(shown: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!(
            "{shown}: {lines} lines; split it by reason to change ({MAX_LINES})"
        ));
    }
    // A tests.rs belongs to the module beside it, which tells the story.
    if !text.starts_with("//!") && !shown.ends_with("tests.rs") {
        findings.push(format!("{shown}: begin with //! and what it owns"));
    }
    let name = shown.rsplit('/').next().unwrap_or(shown);
    if EMPTY_NAMES.contains(&name) {
        findings.push(format!("{shown}: a name that says nothing"));
    }
    for (word, what) in BANNED {
        for (n, _) in text.lines().enumerate().filter(|(_, l)| l.contains(word)) {
            findings.push(format!("{shown}:{}: {what}", n + 1));
        }
    }
    findings
}

/// Decision records that the index does not name.
fn unlisted_decisions() -> Result<Vec<String>> {
    let dir = workspace::root().join("docs/adr");
    let index = fs::read_to_string(dir.join("README.md")).context("docs/adr/README.md")?;
    let mut findings = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "README.md" && !index.contains(&name) {
            findings.push(format!("docs/adr/README.md does not list {name}"));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::{arrow, findings_in};

    #[test]
    fn arrows_point_down_and_never_across() {
        assert!(arrow("gantry-ids", 0, "gantry-linux").is_some());
        assert!(arrow("gantryd", 3, "containerd-lite").is_some());
        assert!(arrow("gantryd", 3, "gantry-proto").is_none());
        assert!(arrow("gantryd", 3, "libc").is_some());
        assert!(arrow("runc-lite", 3, "tokio").is_some());
        assert!(arrow("gantry-linux", 1, "libc").is_none());
    }

    #[test]
    fn files_are_short_and_say_what_they_own() {
        assert!(findings_in("a.rs", "//! Owns a.\n").is_empty());
        assert_eq!(findings_in("a.rs", "fn a() {}\n").len(), 1);
        assert_eq!(findings_in("a.rs", &"//!\n".repeat(401)).len(), 1);
        assert_eq!(findings_in("x/utils.rs", "//! A drawer.\n").len(), 1);
    }
}
