//! Another OCI runtime in the place of the engine's own, for the same tests.
//!
//! `GANTRY_TEST_RUNTIME` names a stock runtime (`runc`, `crun`). The engine is given a wrapper that
//! writes each call down and becomes that runtime, so that a test can assert which one ran.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::{eventually, programs};

/// A file that makes crun refuse a hybrid machine: v1 hierarchies with a v2 one beside them. It is
/// hidden from crun alone, in a mount namespace of its own.
const HYBRID_MARKER: &str = "/sys/fs/cgroup/unified/cgroup.controllers";

/// What stock dockerd answers differently with a stock runtime; each was reproduced there by
/// `GANTRY_TEST_RUNTIME=… cargo xtask test --oracle`.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    // crun's text for a missing program has none of the words docker looks for.
    ("crun", "exit code of a missing program", "125"),
    (
        "crun",
        "text for a missing program",
        "executable file `nosuch` not found in $PATH",
    ),
    // Nor has its text for a folder or for a file without the execute bit.
    ("crun", "exit code of what cannot be executed", "125"),
];

/// How long a removal may take after its answer.
const SOON: Duration = Duration::from_secs(5);

/// `usual`, or what the wanted runtime is known to answer instead.
#[must_use]
pub fn expected<'a>(what: &str, usual: &'a str) -> &'a str {
    let name = wanted().unwrap_or_default();
    DIFFERENCES
        .iter()
        .find(|(r, w, _)| *r == name && *w == what)
        .map_or(usual, |(_, _, d)| d)
}

fn wanted() -> Option<String> {
    std::env::var("GANTRY_TEST_RUNTIME")
        .ok()
        .filter(|r| !r.is_empty())
}

/// The daemon's flags that put the wanted runtime in place; none where the engine's own is wanted.
pub(crate) fn flags(dir: &Path) -> Vec<String> {
    let Some(name) = wanted() else {
        return Vec::new();
    };
    let wrapper = dir.join("runtime");
    if !wrapper.exists() {
        let program = programs::stock(&name);
        let log = dir.join("runtime.log");
        let run = if name == "crun" && Path::new(HYBRID_MARKER).exists() {
            format!(
                "exec unshare -m --propagation slave sh -c 'mount --bind /dev/null {HYBRID_MARKER}; \
                 exec \"$0\" \"$@\"' {} \"$@\"",
                program.display()
            )
        } else {
            format!("exec {} \"$@\"", program.display())
        };
        let script = format!("#!/bin/sh\necho \"$@\" >>{}\n{run}\n", log.display());
        fs::write(&wrapper, script).expect("the wrapper can be written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&wrapper, executable).expect("the wrapper can be made executable");
    }
    vec![
        format!("--add-runtime=swapped={}", wrapper.display()),
        "--default-runtime=swapped".into(),
    ]
}

/// The wanted runtime has run every container there was.
pub(crate) fn assert_used(dir: &Path) {
    if wanted().is_none() {
        return;
    }
    let log = fs::read_to_string(dir.join("runtime.log")).unwrap_or_default();
    let started = log.lines().filter(|l| l.contains(" create ")).count();
    let deleted = log.lines().filter(|l| l.contains(" delete ")).count();
    // Not each: what could not be created (its namespace gone with a daemon that was killed) is not
    // deleted, and that nothing is left is looked at elsewhere.
    assert!(
        deleted > 0 || started == 0,
        "{started} created, none deleted:\n{log}"
    );
    // What was removed is taken down a moment after the answer.
    let bundles = || fs::read_dir(dir.join("data/containers")).map_or(0, Iterator::count);
    eventually("the wanted runtime was called", SOON, || {
        (started > 0 || bundles() == 0).then_some(())
    });
}
