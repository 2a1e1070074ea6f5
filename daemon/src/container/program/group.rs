//! The control group of a build: above those of its programs, with the build's limits, gone with it.
//!
//! Each group is written down beneath the exec root before it is made, so that the next engine takes
//! away what a killed one left. systemd makes its slices itself; they are only stopped here.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gantry_cgroup::{Cgroup, CgroupError, Layout, Unit};
use gantry_engine_api::HostConfig;
use gantry_errors::chain;

use super::super::error::ContainerError;
use super::super::spec::resources;

/// How many digits of a build's identity are in its group's name.
const DIGITS: usize = 12;

/// The groups of builds that have programs.
#[derive(Debug)]
pub(super) struct Groups {
    /// A file for each, with the group's name in it.
    dir: PathBuf,
    made: Mutex<HashSet<String>>,
}

impl Groups {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            made: Mutex::default(),
        }
    }

    /// Makes a build's group for its first program, with the limits that each of its programs has:
    /// together they have no more.
    pub(super) fn enter(&self, build: &str, host: &HostConfig) -> Result<(), ContainerError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.contains(build) {
            return Ok(());
        }
        let (group, path) = (host.cgroup_parent.as_str(), self.dir.join(build));
        let written = fs::create_dir_all(&self.dir).and_then(|()| fs::write(&path, group));
        written.map_err(|source| ContainerError::File {
            step: "write",
            path,
            source,
        })?;
        made.insert(build.to_owned());
        if is_slice(group) {
            return Ok(());
        }
        make(group, host).map_err(|error| {
            let text = format!("make the control group of the build: {}", chain(&error));
            ContainerError::Invalid(text)
        })
    }

    /// Takes a build's group away, if it has one.
    pub(super) fn leave(&self, build: &str) {
        let had = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.remove(build)
        };
        if had {
            remove(&self.dir.join(build));
        }
    }

    /// Takes away what a killed engine left.
    pub(super) fn sweep(&self) {
        let left = match fs::read_dir(&self.dir) {
            Ok(left) => left,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(path = %self.dir.display(), %error, "groups of builds may be left");
                return;
            }
        };
        for entry in left.flatten() {
            remove(&entry.path());
        }
    }
}

/// The name of a build's group beneath a parent.
pub(super) fn name(parent: &str, build: &str, is_systemd: bool) -> String {
    let short = build.get(..DIGITS).unwrap_or(build);
    if is_systemd {
        let above = parent.strip_suffix(".slice").unwrap_or("system");
        return format!("{above}-build{short}.slice");
    }
    format!("/{}/build-{short}", parent.trim_matches('/'))
}

fn is_slice(group: &str) -> bool {
    !group.starts_with('/')
}

fn at(group: &str) -> Result<Cgroup, CgroupError> {
    Cgroup::at(&Layout::detect()?, Path::new(group))
}

fn make(group: &str, host: &HostConfig) -> Result<(), CgroupError> {
    let group = at(group)?;
    group.create()?;
    let limits = resources::limits(&host.resources()).unwrap_or_default();
    let limits = serde_json::to_value(limits).expect("limits are numbers and words");
    group.apply(&serde_json::from_value(limits).expect("they are written as OCI's"))
}

/// Removes the group that a file names, then the file.
fn remove(path: &Path) {
    let Ok(group) = fs::read_to_string(path) else {
        return;
    };
    let error = if is_slice(&group) {
        // One that no program got to is not known, and need not be stopped.
        Unit::named(&group)
            .stop()
            .err()
            .map(|error| chain(&error).to_string())
    } else {
        let removed = at(&group).and_then(|group| group.remove());
        removed.err().map(|error| chain(&error).to_string())
    };
    if let Some(error) = error {
        tracing::warn!(group, error, "the control group of a build is left");
    }
    // The next engine takes what is left of the groups, not of the files.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lies_beneath_its_parent() {
        let build = "0123456789abcdef0123";
        assert_eq!(name("/mine/", build, false), "/mine/build-0123456789ab");
        assert_eq!(name("mine", build, false), "/mine/build-0123456789ab");
        assert_eq!(
            name("user-mine.slice", build, true),
            "user-mine-build0123456789ab.slice"
        );
        assert_eq!(
            name("/gantry-x", build, true),
            "system-build0123456789ab.slice"
        );
    }
}
