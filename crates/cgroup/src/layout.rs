//! What the machine has mounted under `/sys/fs/cgroup`.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::fs::statfs;

use crate::{CgroupError, file};

/// Where control groups are mounted on every distribution.
const MOUNT: &str = "/sys/fs/cgroup";
/// `statfs` magic of a v1 hierarchy.
const V1_MAGIC: i64 = 0x0027_e0eb;
/// `statfs` magic of v2.
const V2_MAGIC: i64 = 0x6367_7270;

/// One mounted v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its controllers (`cpu`, `cpuacct`), or `name=systemd` for a named one.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount: PathBuf,
}

/// The machine's control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Version 1, one directory per hierarchy (a v2 tree without controllers may be mounted beside).
    V1(Vec<Hierarchy>),
    /// Version 2 alone.
    V2 {
        /// The root of the tree.
        mount: PathBuf,
    },
}

impl Layout {
    /// Looks at the mounts. Reads one directory and no mount table, which can be long.
    ///
    /// # Errors
    /// [`CgroupError::NotMounted`], or why the directory cannot be read.
    pub fn detect() -> Result<Self, CgroupError> {
        let mount = Path::new(MOUNT);
        if magic(mount) == Some(V2_MAGIC) {
            return Ok(Self::V2 {
                mount: mount.to_owned(),
            });
        }
        let unreadable = |source| CgroupError::Read {
            path: mount.to_owned(),
            source,
        };
        let mut hierarchies = Vec::new();
        for entry in fs::read_dir(mount).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // Symbolic links are second names (`cpu` for `cpu,cpuacct`).
            if !entry.file_type().is_ok_and(|kind| kind.is_dir())
                || magic(&entry.path()) != Some(V1_MAGIC)
            {
                continue;
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            hierarchies.push(Hierarchy {
                controllers: controllers(&name),
                mount: entry.path(),
            });
        }
        if hierarchies.is_empty() {
            return Err(CgroupError::NotMounted);
        }
        hierarchies.sort_by(|a, b| a.mount.cmp(&b.mount));
        Ok(Self::V1(hierarchies))
    }

    /// Whether this is version 2 alone.
    pub fn is_v2(&self) -> bool {
        matches!(self, Self::V2 { .. })
    }

    /// The paths of a process (`/proc/<pid>/cgroup`), by controller; `""` is version 2.
    pub(crate) fn of_process(process: &str) -> Result<HashMap<String, PathBuf>, CgroupError> {
        let text = file::read(&Path::new("/proc").join(process).join("cgroup"))?;
        Ok(parse_membership(&text))
    }
}

/// Parses `/proc/<pid>/cgroup`: `hierarchy:controllers:path` lines.
pub(crate) fn parse_membership(text: &str) -> HashMap<String, PathBuf> {
    let mut paths = HashMap::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        if let (Some(names), Some(path)) = (parts.next(), parts.next()) {
            for name in names.split(',') {
                paths.insert(name.to_owned(), PathBuf::from(path));
            }
        }
    }
    paths
}

/// The path inside a hierarchy: absolute ones begin at its root, others below `own`.
pub(crate) fn below(mount: &Path, own: &Path, path: &Path) -> Result<PathBuf, CgroupError> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(CgroupError::BadPath {
            path: path.to_owned(),
        });
    }
    let inside = if path.is_absolute() {
        path.to_owned()
    } else {
        own.join(path)
    };
    Ok(mount.join(inside.strip_prefix("/").unwrap_or(&inside)))
}

fn magic(path: &Path) -> Option<i64> {
    #[allow(
        clippy::useless_conversion,
        reason = "the field's width depends on the architecture"
    )]
    statfs(path).ok().map(|fs| i64::from(fs.f_type))
}

/// Directory names list the controllers, except that of systemd's named hierarchy.
fn controllers(directory: &str) -> Vec<String> {
    if directory == "systemd" {
        return vec!["name=systemd".to_owned()];
    }
    directory.split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_lists_each_controller() {
        let paths = parse_membership("3:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/u\n");
        assert_eq!(paths["cpu"], Path::new("/a:b"));
        assert_eq!(paths["cpuacct"], Path::new("/a:b"));
        assert_eq!(paths["name=systemd"], Path::new("/"));
        assert_eq!(paths[""], Path::new("/u"));
    }

    #[test]
    fn paths_stay_in_their_hierarchy() {
        let below = |path: &str| below(Path::new("/m"), Path::new("/own"), Path::new(path));
        assert_eq!(below("/a/b").unwrap(), Path::new("/m/a/b"));
        assert_eq!(below("a").unwrap(), Path::new("/m/own/a"));
        assert!(matches!(
            below("/a/../../x"),
            Err(CgroupError::BadPath { .. })
        ));
    }
}
