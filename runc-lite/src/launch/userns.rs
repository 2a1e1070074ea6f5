//! Mapping users and groups of a new user namespace.

use std::fs;
use std::io;
use std::path::Path;

use rustix::process::Pid;

use crate::plan::IdMap;

/// Writes both maps of a process in a new user namespace.
pub(crate) fn map_ids(pid: Pid, uids: &[IdMap], gids: &[IdMap]) -> io::Result<()> {
    let directory = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    write(&directory.join("uid_map"), uids)?;
    match write(&directory.join("gid_map"), gids) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Without privileges a gid map needs setgroups given up first.
            fs::write(directory.join("setgroups"), "deny")?;
            write(&directory.join("gid_map"), gids)
        }
        other => other,
    }
}

/// The kernel takes the whole map in one write.
fn write(path: &Path, maps: &[IdMap]) -> io::Result<()> {
    let lines: String = maps
        .iter()
        .map(|map| format!("{} {} {}\n", map.inside, map.outside, map.count))
        .collect();
    fs::write(path, lines)
}
