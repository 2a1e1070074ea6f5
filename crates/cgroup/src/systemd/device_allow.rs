//! Device rules as `DevicePolicy` and `DeviceAllow`: without them a reload of systemd would undo, on
//! version 1, what the runtime has written.

use std::fs;

use oci_spec::runtime::LinuxResources;

use super::Value;
use crate::devices::{self, Kind, Rule};

/// The two properties.
pub(super) fn of(resources: &LinuxResources) -> Vec<(String, Value)> {
    let rules = devices::rules(resources.devices().as_deref().unwrap_or_default());
    let known = fs::read_to_string("/proc/devices").unwrap_or_default();
    let (policy, allowed) = match allowed(&rules) {
        Some(allowed) => ("strict", allowed),
        None => ("auto", Vec::new()),
    };
    let pairs = allowed
        .iter()
        .filter_map(|rule| Some((path(*rule, &known)?, rule.access.letters())))
        .collect();
    vec![
        ("DevicePolicy".to_owned(), Value::Text(policy.to_owned())),
        ("DeviceAllow".to_owned(), Value::Pairs(pairs)),
    ]
}

/// The rules that are left when each later one has changed those before it; `None` if everything not
/// named is allowed. A refusal of a part of what is allowed has no form in systemd: the exact rules are
/// in the group's own filter all the same.
fn allowed(rules: &[Rule]) -> Option<Vec<Rule>> {
    let mut open = true;
    let mut allowed: Vec<Rule> = Vec::new();
    for rule in rules {
        if rule.kind == Kind::All && rule.major.is_none() && rule.minor.is_none() {
            open = rule.allow;
            allowed.clear();
            continue;
        }
        allowed.retain(|known| {
            (known.kind, known.major, known.minor) != (rule.kind, rule.major, rule.minor)
        });
        if rule.allow {
            allowed.push(*rule);
        }
    }
    (!open).then_some(allowed)
}

/// A device, or all of a driver's, in systemd's words. `known` is `/proc/devices`.
fn path(rule: Rule, known: &str) -> Option<String> {
    let kind = match rule.kind {
        Kind::Char => "char",
        Kind::Block => "block",
        Kind::All => return None,
    };
    match (rule.major, rule.minor) {
        (None, _) => Some(format!("{kind}-*")),
        (Some(major), Some(minor)) => Some(format!("/dev/{kind}/{major}:{minor}")),
        (Some(major), None) => driver(known, rule.kind, major).map(|name| format!("{kind}-{name}")),
    }
}

/// The name of the driver with this number.
fn driver(known: &str, kind: Kind, major: u32) -> Option<&str> {
    let (characters, blocks) = known.split_once("Block devices:")?;
    let list = if kind == Kind::Block {
        blocks
    } else {
        characters
    };
    list.lines().find_map(|line| {
        let (number, name) = line.trim().split_once(' ')?;
        (number.parse() == Ok(major)).then_some(name.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str =
        "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n  7 loop\n136 x\n";

    fn of_json(json: &str) -> Option<Vec<(String, String)>> {
        let configured: Vec<oci_spec::runtime::LinuxDeviceCgroup> =
            serde_json::from_str(json).unwrap();
        let rules = allowed(&devices::rules(&configured))?;
        let pair = |rule: &Rule| Some((path(*rule, KNOWN)?, rule.access.letters()));
        Some(rules.iter().filter_map(pair).collect())
    }

    #[test]
    fn what_is_allowed_is_listed() {
        let json = r#"[{"allow":false,"access":"rwm"},
            {"allow":true,"type":"b","major":7,"access":"r"},
            {"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
            {"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}]"#;
        let listed = of_json(json).unwrap();
        let has = |path: &str, access: &str| listed.contains(&(path.to_owned(), access.to_owned()));
        assert!(
            has("block-loop", "r") && has("char-*", "m") && has("char-pts", "rwm"),
            "{listed:?}"
        );
        assert!(has("/dev/char/1:3", "rwm"), "{listed:?}");
        assert!(
            !listed.iter().any(|(path, _)| path == "/dev/char/10:229"),
            "{listed:?}"
        );
    }

    #[test]
    fn everything_allowed_is_systemd_s_auto() {
        assert_eq!(of_json(r#"[{"allow":true,"access":"rwm"}]"#), None);
    }
}
