//! What may come into the tree, by `deny.toml`, without a tool that takes minutes to build: licences
//! and sources of every crate in the lock file, and no dependency on just any version.
//!
//! `cargo xtask deny` asks cargo-deny, which knows more (doubled crates, advisories).

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::{command, workspace};

/// The one registry that crates come from, as cargo names it.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What we read of `deny.toml`.
#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

/// Checks every crate.
///
/// # Errors
/// With all that are not allowed.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(workspace::root().join("deny.toml")).context("deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("deny.toml")?;
    let metadata = ["metadata", "--format-version=1", "--locked"];
    let metadata = command::output(workspace::cargo().args(metadata))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let wrong: Vec<String> = packages
        .iter()
        .flat_map(|package| faults(package, &deny.licenses.allow))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("by deny.toml:\n{}", wrong.join("\n"))
}

/// What is wrong with a package: lines for people.
fn faults(package: &Value, allowed: &BTreeSet<String>) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = format!("{} {}", text(&package["name"]), text(&package["version"]));
    let mut faults = Vec::new();
    let licence = text(&package["license"]);
    if !permits(&licence, allowed) {
        faults.push(format!("{name}: licence {licence:?} is not allowed"));
    }
    let source = &package["source"];
    if !source.is_null() && source != REGISTRY {
        faults.push(format!("{name} comes from {source}"));
    }
    let ours = source.is_null();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        if ours && dependency["req"] == "*" && dependency["path"].is_null() {
            faults.push(format!("{name}: any version of {}", dependency["name"]));
        }
    }
    faults
}

/// Whether an SPDX expression can be met by allowed licences alone. `/` is an old way to write OR.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let met = any(&mut words, allowed);
    met == Some(true) && words.is_empty()
}

/// `a OR b`; none where the expression is not one.
fn any(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = all(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        met |= all(words, allowed)?;
    }
    Some(met)
}

/// `a AND b`, which binds closer.
fn all(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = one(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        met &= one(words, allowed)?;
    }
    Some(met)
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Option<bool> {
    let word = words.pop()?;
    if word == "(" {
        let met = any(words, allowed)?;
        return (words.pop()? == ")").then_some(met);
    }
    if words.pop_if(|word| *word == "WITH").is_some() {
        let exception = words.pop()?;
        return Some(allowed.contains(&format!("{word} WITH {exception}")));
    }
    Some(allowed.contains(word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{faults, permits};

    fn allowed() -> BTreeSet<String> {
        ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn expressions_are_met_by_allowed_licences_alone() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "MIT AND Zlib",
            "(GPL-3.0 OR MIT) AND Zlib",
            "GPL-3.0 AND LGPL-2.1 OR MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(permits(good, &allowed()), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "Apache-2.0",
            "MIT OR",
            "(MIT",
            "MIT Zlib",
            "MIT AND (GPL-3.0 OR LGPL-2.1)",
        ] {
            assert!(!permits(bad, &allowed()), "{bad}");
        }
    }

    #[test]
    fn a_foreign_source_and_any_version_are_told() {
        let package = json!({
            "name": "p", "version": "1.0.0", "license": "MIT", "source": "git+https://x/y",
            "dependencies": [{"name": "q", "req": "*", "path": null}],
        });
        assert_eq!(faults(&package, &allowed()).len(), 1);
        let mut ours = package;
        ours["source"] = json!(null);
        assert_eq!(faults(&ours, &allowed()), ["p 1.0.0: any version of \"q\""]);
    }
}
