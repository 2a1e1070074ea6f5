//! Which capabilities a container has: Docker's default fourteen, `--cap-add`, `--cap-drop`,
//! `--privileged`.

use gantry_capabilities::NAMES;

/// What a container gets when nothing is asked for.
pub const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A name that the kernel does not have; dockerd's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {list}: unknown capability: \"{name}\"")]
pub struct UnknownCapability {
    list: &'static str,
    name: String,
}

/// `NET_ADMIN`, `net_admin` and `CAP_NET_ADMIN` to the last; `ALL` stays.
#[must_use]
pub fn normalise(name: &str) -> String {
    let upper = name.trim().to_ascii_uppercase();
    if upper == "ALL" || upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    }
}

/// Checks and normalises one of the two lists (`list` is its API name, for the message).
///
/// # Errors
/// [`UnknownCapability`] for the first name the kernel does not have.
pub fn parse(list: &'static str, names: &[String]) -> Result<Vec<String>, UnknownCapability> {
    names
        .iter()
        .map(|name| {
            let normal = normalise(name);
            if normal == "ALL" || NAMES.contains(&normal.as_str()) {
                Ok(normal)
            } else {
                Err(UnknownCapability { list, name: normal })
            }
        })
        .collect()
}

/// The container's set, in dockerd's order.
#[must_use]
pub fn effective(privileged: bool, add: &[String], drop: &[String]) -> Vec<String> {
    let all = || {
        NAMES
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let has_all = |list: &[String]| list.iter().any(|name| name == "ALL");
    if privileged {
        return all();
    }
    if has_all(add) {
        return all()
            .into_iter()
            .filter(|name| !drop.contains(name))
            .collect();
    }
    let mut caps: Vec<String> = if has_all(drop) {
        Vec::new()
    } else {
        DEFAULT
            .iter()
            .map(|&n| n.to_owned())
            .filter(|name| !drop.contains(name))
            .collect()
    };
    for name in add {
        if !caps.contains(name) {
            caps.push(name.clone());
        }
    }
    caps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        parse(
            "CapAdd",
            &names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>(),
        )
        .unwrap()
    }

    #[test]
    fn names_are_normalised_and_checked() {
        assert_eq!(
            list(&["net_admin", "CAP_BPF", "all"]),
            ["CAP_NET_ADMIN", "CAP_BPF", "ALL"]
        );
        let error = parse("CapDrop", &["nope".to_owned()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid CapDrop: unknown capability: \"CAP_NOPE\""
        );
    }

    #[test]
    fn sets_follow_dockerd() {
        assert_eq!(effective(false, &[], &[]), DEFAULT);
        assert_eq!(effective(true, &[], &list(&["CHOWN"])).len(), NAMES.len());
        assert_eq!(
            effective(false, &list(&["ALL"]), &list(&["CHOWN"])).len(),
            NAMES.len() - 1
        );
        assert_eq!(
            effective(false, &list(&["BPF"]), &list(&["ALL"])),
            ["CAP_BPF"]
        );
        let caps = effective(false, &list(&["NET_ADMIN"]), &list(&["CHOWN"]));
        assert_eq!(caps.last().map(String::as_str), Some("CAP_NET_ADMIN"));
        assert!(!caps.contains(&"CAP_CHOWN".to_owned()));
    }
}
