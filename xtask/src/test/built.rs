//! The tests' binaries as cargo built them, for machines that have no cargo.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{command, workspace};

/// The integration tests of the workspace, built.
pub(super) struct Built(String);

impl Built {
    /// Builds those of these names, of all packages at once: alone, a package would be built with
    /// fewer features of what it depends on, and so a second time.
    pub(super) fn of(names: &[&str]) -> Result<Self> {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--workspace", "--no-run", "--quiet"]);
        cargo.arg("--message-format=json");
        for name in names {
            cargo.args(["--test", name]);
        }
        // What the compiler says is for people, what cargo says is for us.
        command::output(cargo.stderr(Stdio::inherit())).map(Self)
    }

    /// The binary of a test, whose package is in this folder of the workspace.
    pub(super) fn binary(&self, folder: &str, name: &str) -> Result<PathBuf> {
        let manifest = workspace::root().join(folder).join("Cargo.toml");
        find(&self.0, &manifest.display().to_string(), name)
            .with_context(|| format!("{folder} has no test {name}"))
    }
}

/// The executable of the test of that name among cargo's messages.
fn find(messages: &str, manifest: &str, name: &str) -> Option<PathBuf> {
    let mut artifacts = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let target = &message["target"];
        let wanted = message["manifest_path"] == manifest
            && target["name"] == name
            && target["kind"] == json!(["test"]);
        let executable = message["executable"].as_str()?;
        wanted.then(|| PathBuf::from(executable))
    });
    artifacts.next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::find;

    #[test]
    fn a_tests_binary_is_told_from_its_namesakes() {
        let message = |manifest: &str, kind: &str, executable: &str| {
            json!({
                "reason": "compiler-artifact", "manifest_path": manifest, "executable": executable,
                "target": {"name": "it", "kind": [kind]},
            })
            .to_string()
        };
        let messages = [
            message("/w/a/Cargo.toml", "test", "/t/a-it"),
            message("/w/b/Cargo.toml", "bin", "/t/b-bin"),
            message("/w/b/Cargo.toml", "test", "/t/b-it"),
            json!({"reason": "build-finished", "success": true}).to_string(),
        ];
        let messages = messages.join("\n");
        let found = find(&messages, "/w/b/Cargo.toml", "it");
        assert_eq!(found.as_deref(), Some("/t/b-it".as_ref()));
        assert_eq!(find(&messages, "/w/b/Cargo.toml", "vm"), None);
    }
}
