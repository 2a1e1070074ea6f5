//! Devices: the rules of the device controller, and the nodes of the host that a container gets.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use gantry_engine_api::HostConfig;

use super::oci::{Device, DeviceRule};

/// Devices every container may use (null, zero, full-random, urandom, tty, console); the runtime
/// makes their nodes.
const ALWAYS: [(i64, i64); 6] = [(1, 5), (1, 3), (1, 9), (1, 8), (5, 0), (5, 1)];
/// `/dev/fuse`, which is refused unless it is granted.
const FUSE: (i64, i64) = (10, 229);
/// Directories and nodes of `/dev` that are the container's own even when it is privileged.
const OWN: [&str; 8] = [
    "pts",
    "shm",
    "fd",
    "mqueue",
    ".lxc",
    ".lxd-mounts",
    ".udev",
    "console",
];

/// What a container gets beside the default devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    pub nodes: Vec<Device>,
    pub rules: Vec<DeviceRule>,
}

/// A device that cannot be granted; dockerd's texts.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("error gathering device information while adding custom device {path:?}: {why}")]
    Gather { path: String, why: String },
    #[error("invalid device cgroup rule format: '{0}'")]
    Rule(String),
    #[error("could not select device driver {driver:?} with capabilities: {capabilities}")]
    Driver {
        driver: String,
        capabilities: String,
    },
}

/// Looks up everything the host configuration grants.
///
/// # Errors
/// [`DeviceError`].
pub fn grant(host: &HostConfig) -> Result<Granted, DeviceError> {
    if let Some(request) = host.device_requests.first() {
        let capabilities = serde_json::to_string(&request.capabilities).unwrap_or_default();
        return Err(DeviceError::Driver {
            driver: request.driver.clone(),
            capabilities,
        });
    }
    let mut granted = Granted::default();
    if host.privileged {
        host_nodes(Path::new("/dev"), &mut granted.nodes);
        granted.nodes.sort_by(|a, b| a.path.cmp(&b.path));
        return Ok(granted);
    }
    for mapping in host.devices.iter() {
        let access = or(&mapping.cgroup_permissions, "rwm");
        let inside = or(&mapping.path_in_container, &mapping.path_on_host);
        map(&mapping.path_on_host, &inside, &access, &mut granted)?;
    }
    for rule in host.device_cgroup_rules.iter() {
        granted
            .rules
            .push(parse_rule(rule).ok_or_else(|| DeviceError::Rule(rule.clone()))?);
    }
    Ok(granted)
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() {
        default.to_owned()
    } else {
        text.to_owned()
    }
}

/// One device, or every device beneath a directory.
fn map(path: &str, inside: &str, access: &str, granted: &mut Granted) -> Result<(), DeviceError> {
    let gather = |why: String| DeviceError::Gather {
        path: path.to_owned(),
        why,
    };
    let real =
        fs::canonicalize(path).map_err(|_| gather("no such file or directory".to_owned()))?;
    if real.is_dir() {
        let mut nodes = Vec::new();
        host_nodes(&real, &mut nodes);
        if nodes.is_empty() {
            return Err(gather("not a device node".to_owned()));
        }
        let prefix = real.display().to_string();
        for mut node in nodes {
            let rest = node
                .path
                .strip_prefix(&prefix)
                .unwrap_or_default()
                .to_owned();
            node.path = format!("{inside}{rest}");
            granted.push(node, access);
        }
        return Ok(());
    }
    let node = node(&real, inside).ok_or_else(|| gather("not a device node".to_owned()))?;
    granted.push(node, access);
    Ok(())
}

impl Granted {
    fn push(&mut self, node: Device, access: &str) {
        self.rules.push(DeviceRule {
            allow: true,
            kind: node.kind.clone(),
            major: Some(node.major),
            minor: Some(node.minor),
            access: access.to_owned(),
        });
        self.nodes.push(node);
    }
}

/// Every device node beneath a directory; what cannot be read is passed over, as dockerd does.
fn host_nodes(dir: &Path, nodes: &mut Vec<Device>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if OWN.iter().any(|own| *own == name) {
            continue;
        }
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            host_nodes(&path, nodes);
        } else if let Some(device) = node(&path, &path.display().to_string()) {
            nodes.push(device);
        }
    }
}

fn node(path: &Path, inside: &str) -> Option<Device> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let kind = match metadata.file_type() {
        kind if kind.is_block_device() => "b",
        kind if kind.is_char_device() => "c",
        _ => return None,
    };
    Some(Device {
        path: inside.to_owned(),
        kind: kind.to_owned(),
        major: i64::from(rustix::fs::major(metadata.rdev())),
        minor: i64::from(rustix::fs::minor(metadata.rdev())),
        file_mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

/// `c 42:* rmw`.
fn parse_rule(text: &str) -> Option<DeviceRule> {
    let mut words = text.split_whitespace();
    let kind = words
        .next()
        .filter(|kind| matches!(*kind, "a" | "b" | "c"))?;
    let (major, minor) = words.next()?.split_once(':')?;
    let access = words.next().filter(|a| (1..=3).contains(&a.len()))?;
    let known = access.bytes().all(|byte| b"rwm".contains(&byte));
    let number = |text: &str| match text {
        "*" => Some(-1),
        digits => digits.parse().ok().filter(|n| *n >= 0),
    };
    (known && words.next().is_none()).then_some(())?;
    Some(DeviceRule {
        allow: true,
        kind: kind.to_owned(),
        major: Some(number(major)?),
        minor: Some(number(minor)?),
        access: access.to_owned(),
    })
}

/// The controller's rules: everything refused, the default devices allowed, then what was granted.
pub(super) fn rules(privileged: bool, granted: &Granted) -> Vec<DeviceRule> {
    let any = |allow| DeviceRule {
        allow,
        kind: String::new(),
        major: None,
        minor: None,
        access: "rwm".to_owned(),
    };
    if privileged {
        return vec![any(true)];
    }
    let character = |allow, (major, minor): (i64, i64)| DeviceRule {
        allow,
        kind: "c".to_owned(),
        major: Some(major),
        minor: Some(minor),
        access: "rwm".to_owned(),
    };
    let mut rules = vec![any(false)];
    rules.extend(ALWAYS.map(|numbers| character(true, numbers)));
    rules.push(character(false, FUSE));
    rules.extend(granted.rules.iter().cloned());
    rules
}

#[cfg(test)]
mod tests {
    use gantry_engine_api::json::from_slice;

    use super::*;

    #[test]
    fn a_device_of_the_host_is_granted() {
        let host: HostConfig = from_slice(
            br#"{"Devices":[{"PathOnHost":"/dev/null","PathInContainer":"/dev/foo","CgroupPermissions":"r"}],
                "DeviceCgroupRules":["c 42:* rmw"]}"#,
        )
        .unwrap();
        let granted = grant(&host).unwrap();
        assert_eq!(granted.nodes[0].path, "/dev/foo");
        assert_eq!((granted.nodes[0].major, granted.nodes[0].minor), (1, 3));
        assert_eq!(granted.rules[0].access, "r");
        assert_eq!(
            (granted.rules[1].major, granted.rules[1].minor),
            (Some(42), Some(-1))
        );
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for (json, text) in [
            (
                r#"{"Devices":[{"PathOnHost":"/dev/nope"}]}"#,
                "error gathering device information while adding custom device \"/dev/nope\": no such file or directory",
            ),
            (
                r#"{"Devices":[{"PathOnHost":"/etc/passwd"}]}"#,
                "error gathering device information while adding custom device \"/etc/passwd\": not a device node",
            ),
            (
                r#"{"DeviceCgroupRules":["x"]}"#,
                "invalid device cgroup rule format: 'x'",
            ),
        ] {
            let host: HostConfig = from_slice(json.as_bytes()).unwrap();
            assert_eq!(grant(&host).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn privileged_containers_get_what_the_host_has() {
        let host: HostConfig = from_slice(br#"{"Privileged":true}"#).unwrap();
        let granted = grant(&host).unwrap();
        assert!(granted.nodes.iter().any(|node| node.path == "/dev/null"));
        assert!(
            !granted
                .nodes
                .iter()
                .any(|node| node.path.starts_with("/dev/pts/"))
        );
        assert!(rules(true, &granted)[0].allow);
    }
}
