//! Which devices a container may use, as one ordered list of rules for both versions.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::CgroupError;

/// One rule; a later one that fits wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) allow: bool,
    pub(crate) kind: Kind,
    /// `None`: all.
    pub(crate) major: Option<u32>,
    /// `None`: all.
    pub(crate) minor: Option<u32>,
    pub(crate) access: Access,
}

/// Kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    All,
    Block,
    Char,
}

/// What may be done, as the kernel's bits for `BPF_DEVCG_ACC_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(pub(crate) u8);

impl Access {
    pub(crate) const MKNOD: Self = Self(1);
    pub(crate) const READ: Self = Self(2);
    pub(crate) const WRITE: Self = Self(4);
    pub(crate) const ALL: Self = Self(7);

    fn parse(text: &str) -> Self {
        let bit = |letter, bit: Self| if text.contains(letter) { bit.0 } else { 0 };
        Self(bit('m', Self::MKNOD) | bit('r', Self::READ) | bit('w', Self::WRITE))
    }

    pub(crate) fn letters(self) -> String {
        [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::MKNOD, 'm')]
            .iter()
            .filter(|(bit, _)| self.0 & bit.0 != 0)
            .map(|(_, letter)| *letter)
            .collect()
    }
}

/// What every container needs, after the rules of the configuration: making nodes (using them is
/// another matter) and the devices of `/dev` that the specification promises.
const DEFAULTS: [Rule; 10] = [
    Rule {
        allow: true,
        kind: Kind::Char,
        major: None,
        minor: None,
        access: Access::MKNOD,
    },
    Rule {
        allow: true,
        kind: Kind::Block,
        major: None,
        minor: None,
        access: Access::MKNOD,
    },
    char_device(1, Some(3)),
    char_device(1, Some(5)),
    char_device(1, Some(7)),
    char_device(1, Some(8)),
    char_device(1, Some(9)),
    char_device(5, Some(0)),
    char_device(5, Some(2)),
    char_device(136, None),
];

const fn char_device(major: u32, minor: Option<u32>) -> Rule {
    Rule {
        allow: true,
        kind: Kind::Char,
        major: Some(major),
        minor,
        access: Access::ALL,
    }
}

/// The rules of a configuration, the defaults behind them. A rule that changes nothing is left out.
pub(crate) fn rules(configured: &[LinuxDeviceCgroup]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::with_capacity(configured.len() + DEFAULTS.len());
    for rule in configured.iter().map(rule).chain(DEFAULTS) {
        if rules.contains(&rule) && rule.allow {
            rules.retain(|known| *known != rule);
        }
        rules.push(rule);
    }
    rules
}

fn rule(configured: &LinuxDeviceCgroup) -> Rule {
    let kind = match configured.typ() {
        Some(LinuxDeviceType::B) => Kind::Block,
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => Kind::Char,
        Some(LinuxDeviceType::A | LinuxDeviceType::P) | None => Kind::All,
    };
    // Negative numbers are how some writers say "all".
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let access = configured
        .access()
        .as_deref()
        .map_or(Access::ALL, Access::parse);
    Rule {
        allow: configured.allow(),
        kind,
        major: number(configured.major()),
        minor: number(configured.minor()),
        access,
    }
}

/// Writes the rules, in order, to the files of the v1 controller.
pub(crate) fn write_v1(path: &Path, rules: &[Rule]) -> Result<(), CgroupError> {
    let open = |name: &str| {
        let path = path.join(name);
        match File::options().write(true).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(CgroupError::Read { path, source }),
        }
    };
    let (mut allow, mut deny) = (open("devices.allow")?, open("devices.deny")?);
    for rule in rules {
        let (path, file) = if rule.allow { &mut allow } else { &mut deny };
        let value = v1_line(*rule);
        // One rule per write(2).
        if let Err(source) = file.write_all(value.as_bytes()) {
            return Err(CgroupError::Write {
                path: path.clone(),
                value,
                source,
            });
        }
    }
    Ok(())
}

fn v1_line(rule: Rule) -> String {
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let kind = match rule.kind {
        // The kernel reads no further than the letter.
        Kind::All => return "a".to_owned(),
        Kind::Block => 'b',
        Kind::Char => 'c',
    };
    format!(
        "{kind} {}:{} {}",
        number(rule.major),
        number(rule.minor),
        rule.access.letters()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_kernel_s() {
        assert_eq!(v1_line(char_device(136, None)), "c 136:* rwm");
        assert_eq!(v1_line(DEFAULTS[1]), "b *:* m");
        let all = Rule {
            allow: false,
            kind: Kind::All,
            major: None,
            minor: None,
            access: Access::ALL,
        };
        assert_eq!(v1_line(all), "a");
    }

    #[test]
    fn a_rule_said_twice_is_written_once() {
        let json = r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}]"#;
        let configured: Vec<LinuxDeviceCgroup> = serde_json::from_str(json).unwrap();
        let rules = rules(&configured);
        assert_eq!(rules.len(), 1 + DEFAULTS.len());
        assert!(!rules[0].allow);
    }
}
