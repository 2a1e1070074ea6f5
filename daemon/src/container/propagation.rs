//! Whether a bind can have the propagation that was asked for: its source must lie on a mount that
//! propagates (mount_namespaces(7), "Propagation types").

use std::path::{Path, PathBuf};

use super::{error::ContainerError, mounts::MountRecord, mounts::Source};

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    shared: bool,
    slave: bool,
}

/// Checks the binds that want their source's mounts propagated.
///
/// # Errors
/// In dockerd's words.
pub(super) fn check(mounts: &[MountRecord]) -> Result<(), ContainerError> {
    let wanted: Vec<(&str, &str)> = mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            Source::Bind {
                path, propagation, ..
            } => Some((path.as_str(), propagation.trim_start_matches('r'))),
            Source::Volume { .. } | Source::Tmpfs { .. } | Source::Image { .. } => None,
        })
        .filter(|(_, propagation)| matches!(*propagation, "shared" | "slave"))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let file = Path::new("/proc/self/mountinfo");
    let table = std::fs::read_to_string(file).map_err(|source| ContainerError::File {
        step: "read",
        path: file.to_owned(),
        source,
    })?;
    let table = parse(&table);
    for (path, propagation) in wanted {
        let resolved = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
        fits(&table, path, &resolved, propagation)?;
    }
    Ok(())
}

fn fits(
    table: &[Mount],
    path: &str,
    resolved: &Path,
    propagation: &str,
) -> Result<(), ContainerError> {
    // Of mounts on one point the last one is on top.
    let Some(mount) = table
        .iter()
        .filter(|mount| resolved.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
    else {
        return Ok(());
    };
    let (fits, want) = match propagation {
        "shared" => (mount.shared, "shared mount"),
        _ => (mount.shared || mount.slave, "shared or slave mount"),
    };
    if fits {
        return Ok(());
    }
    Err(ContainerError::InvalidInternal(format!(
        "path {path} is mounted on {} but it is not a {want}",
        mount.point.display()
    )))
}

fn parse(table: &str) -> Vec<Mount> {
    let line = |line: &str| {
        let mut fields = line.split(' ');
        let point = unescape(fields.nth(4)?);
        let optional = fields.skip(1).take_while(|field| *field != "-");
        let mut mount = Mount {
            point,
            shared: false,
            slave: false,
        };
        for field in optional {
            mount.shared |= field.starts_with("shared:");
            mount.slave |= field.starts_with("master:");
        }
        Some(mount)
    };
    table.lines().filter_map(line).collect()
}

/// Space, tab, newline and backslash are written in octal.
fn unescape(text: &str) -> PathBuf {
    let mut out = text.to_owned();
    for (code, plain) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        out = out.replace(code, plain);
    }
    PathBuf::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
25 1 259:1 / / rw,relatime - ext4 /dev/vda rw
26 25 0:24 / /mnt rw shared:7 - tmpfs tmpfs rw
27 25 0:25 / /mnt/a\\040b rw master:7 propagate_from:1 - tmpfs tmpfs rw
28 25 0:26 / /over rw shared:9 - tmpfs tmpfs rw
29 28 0:27 / /over rw - tmpfs tmpfs rw
";

    fn told(path: &str, propagation: &str) -> Option<String> {
        let table = parse(TABLE);
        let outcome = fits(&table, path, Path::new(path), propagation);
        outcome.err().map(|error| error.to_string())
    }

    #[test]
    fn the_mount_beneath_decides() {
        assert_eq!(told("/mnt/x", "shared"), None);
        assert_eq!(told("/mnt/x", "slave"), None);
        assert_eq!(told("/mnt/a b/x", "slave"), None);
        assert_eq!(
            told("/mnt/a b/x", "shared").unwrap(),
            "path /mnt/a b/x is mounted on /mnt/a b but it is not a shared mount"
        );
        assert_eq!(
            told("/mntx", "slave").unwrap(),
            "path /mntx is mounted on / but it is not a shared or slave mount"
        );
        assert!(told("/over", "shared").is_some(), "the upper one counts");
    }
}
