//! One container's control group: where it is, making it, listing and removing it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::layout::{self, Layout};
use crate::make::{make_v1, make_v2};
use crate::{CgroupError, file};

/// How long `remove` waits for the kernel to let go of a group whose last process has just gone.
const REMOVE_PATIENCE: Duration = Duration::from_secs(2);

/// The group's directory in one v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V1Directory {
    /// The hierarchy's controllers.
    pub(crate) controllers: Vec<String>,
    /// Where the hierarchy is mounted.
    pub(crate) mount: PathBuf,
    /// The group.
    pub(crate) path: PathBuf,
}

/// The group's directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Directories {
    /// One per hierarchy.
    V1(Vec<V1Directory>),
    /// The one.
    V2 {
        /// The root of the tree.
        mount: PathBuf,
        /// The group.
        path: PathBuf,
    },
}

/// One container's control group, in every hierarchy.
///
/// The value is only the place: nothing is opened, and dropping it removes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    directories: Directories,
}

impl Cgroup {
    /// The group at `path`. An absolute path begins at the root of each hierarchy; a relative one at
    /// the caller's own group (v2: at its parent, since a group with processes cannot have limited
    /// groups below it).
    ///
    /// # Errors
    /// [`CgroupError::BadPath`] for `..`, [`CgroupError::Read`] if the own group is not known.
    pub fn at(layout: &Layout, path: &Path) -> Result<Self, CgroupError> {
        let own = if path.is_absolute() {
            None
        } else {
            Some(Layout::of_process("self")?)
        };
        let own = |name: &str| {
            own.as_ref()
                .and_then(|own| own.get(name))
                .map_or(Path::new("/"), PathBuf::as_path)
        };
        let directories = match layout {
            Layout::V1(hierarchies) => Directories::V1(
                hierarchies
                    .iter()
                    .map(|hierarchy| {
                        let first = hierarchy.controllers.first().map_or("", String::as_str);
                        Ok(V1Directory {
                            controllers: hierarchy.controllers.clone(),
                            mount: hierarchy.mount.clone(),
                            path: layout::below(&hierarchy.mount, own(first), path)?,
                        })
                    })
                    .collect::<Result<_, CgroupError>>()?,
            ),
            Layout::V2 { mount } => {
                let parent = own("").parent().unwrap_or(Path::new("/"));
                let path = layout::below(mount, parent, path)?;
                Directories::V2 {
                    mount: mount.clone(),
                    path,
                }
            }
        };
        Ok(Self { directories })
    }

    /// The group that a process is in.
    ///
    /// # Errors
    /// [`CgroupError::Read`] when the process is gone.
    pub fn of_process(layout: &Layout, pid: Pid) -> Result<Self, CgroupError> {
        let paths = Layout::of_process(&pid.as_raw_nonzero().to_string())?;
        let find = |names: &[String]| names.iter().find_map(|name| paths.get(name)).cloned();
        let directories = match layout {
            Layout::V1(hierarchies) => Directories::V1(
                hierarchies
                    .iter()
                    .filter_map(|hierarchy| Some((hierarchy, find(&hierarchy.controllers)?)))
                    .map(|(hierarchy, path)| {
                        Ok(V1Directory {
                            controllers: hierarchy.controllers.clone(),
                            mount: hierarchy.mount.clone(),
                            path: layout::below(&hierarchy.mount, Path::new("/"), &path)?,
                        })
                    })
                    .collect::<Result<_, CgroupError>>()?,
            ),
            Layout::V2 { mount } => {
                let own = find(&[String::new()]).unwrap_or_else(|| PathBuf::from("/"));
                let path = layout::below(mount, Path::new("/"), &own)?;
                Directories::V2 {
                    mount: mount.clone(),
                    path,
                }
            }
        };
        Ok(Self { directories })
    }

    /// The group by the directories that [`Cgroup::paths`] told, without looking at the machine.
    pub fn from_paths(paths: &BTreeMap<String, PathBuf>) -> Self {
        if let Some(path) = paths.get("") {
            let mount = PathBuf::from("/sys/fs/cgroup");
            return Self {
                directories: Directories::V2 {
                    mount,
                    path: path.clone(),
                },
            };
        }
        let mut directories: Vec<V1Directory> = Vec::new();
        for (controller, path) in paths {
            if let Some(known) = directories.iter_mut().find(|known| known.path == *path) {
                known.controllers.push(controller.clone());
                continue;
            }
            let mount = path.iter().take(5).collect();
            directories.push(V1Directory {
                controllers: vec![controller.clone()],
                mount,
                path: path.clone(),
            });
        }
        Self {
            directories: Directories::V1(directories),
        }
    }

    /// The directories by controller, for keeping; `""` is version 2.
    pub fn paths(&self) -> BTreeMap<String, PathBuf> {
        match &self.directories {
            Directories::V1(directories) => directories
                .iter()
                .flat_map(|d| {
                    d.controllers
                        .iter()
                        .map(|name| (name.clone(), d.path.clone()))
                })
                .collect(),
            Directories::V2 { path, .. } => [(String::new(), path.clone())].into(),
        }
    }

    pub(crate) fn of_directories(directories: Directories) -> Self {
        Self { directories }
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }

    /// The directory with this controller's files; on v2 there is only one.
    pub fn directory(&self, controller: &str) -> Option<&Path> {
        match &self.directories {
            Directories::V1(directories) => directories
                .iter()
                .find(|d| d.controllers.iter().any(|name| name == controller))
                .map(|d| d.path.as_path()),
            Directories::V2 { path, .. } => Some(path),
        }
    }

    /// Whether this is a group of version 2.
    pub fn is_v2(&self) -> bool {
        matches!(self.directories, Directories::V2 { .. })
    }

    /// The directory that processes are listed in, frozen and killed by.
    pub(crate) fn main_directory(&self) -> Option<&Path> {
        match &self.directories {
            Directories::V1(directories) => self
                .directory("freezer")
                .or_else(|| self.directory("pids"))
                .or_else(|| directories.first().map(|d| d.path.as_path())),
            Directories::V2 { path, .. } => Some(path),
        }
    }

    /// Makes the directories and those above them; ones that exist are taken as they are. On v2 the
    /// controllers are switched on from the root down.
    ///
    /// # Errors
    /// [`CgroupError::Create`], [`CgroupError::Read`], [`CgroupError::Write`].
    pub fn create(&self) -> Result<(), CgroupError> {
        match &self.directories {
            Directories::V1(directories) => {
                for directory in directories {
                    let cpuset = directory.controllers.iter().any(|name| name == "cpuset");
                    make_v1(&directory.path, &directory.mount, cpuset)?;
                }
                Ok(())
            }
            Directories::V2 { mount, path } => make_v2(path, mount),
        }
    }

    /// Whether the group exists.
    pub fn exists(&self) -> bool {
        self.main_directory().is_some_and(Path::exists)
    }

    /// The processes of the group and of the groups below it, in no order.
    ///
    /// # Errors
    /// [`CgroupError::Read`]; a group that is gone has no processes.
    pub fn pids(&self) -> Result<Vec<Pid>, CgroupError> {
        let mut pids = Vec::new();
        if let Some(path) = self.main_directory() {
            collect_pids(path, &mut pids)?;
        }
        Ok(pids)
    }

    /// Removes the directories and those below them. Ones that are gone are fine.
    ///
    /// # Errors
    /// [`CgroupError::Remove`] after two seconds of trying, for instance while processes are inside;
    /// the other hierarchies are removed all the same.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let paths: Vec<&Path> = match &self.directories {
            Directories::V1(directories) => directories.iter().map(|d| d.path.as_path()).collect(),
            Directories::V2 { path, .. } => vec![path],
        };
        let deadline = Instant::now() + REMOVE_PATIENCE;
        let mut result = Ok(());
        for path in paths {
            if let Err(error) = remove_tree(path, deadline) {
                result = result.and(Err(error));
            }
        }
        result
    }
}

fn collect_pids(path: &Path, pids: &mut Vec<Pid>) -> Result<(), CgroupError> {
    let Some(text) = file::read_if_there(&path.join("cgroup.procs"))? else {
        return Ok(());
    };
    pids.extend(
        text.lines()
            .filter_map(|line| Pid::from_raw(line.parse().ok()?)),
    );
    for child in children(path) {
        collect_pids(&child, pids)?;
    }
    Ok(())
}

/// The groups directly below.
pub(crate) fn children(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_tree(path: &Path, deadline: Instant) -> Result<(), CgroupError> {
    let mut pause = Duration::from_micros(100);
    loop {
        let source = match fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => source,
        };
        for child in children(path) {
            remove_tree(&child, deadline)?;
        }
        let busy = source.kind() == io::ErrorKind::ResourceBusy;
        if !busy || Instant::now() > deadline {
            return Err(CgroupError::Remove {
                path: path.to_owned(),
                source,
            });
        }
        // A process that was just reaped leaves its group a moment later.
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
