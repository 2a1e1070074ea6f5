//! Entering a group.
//!
//! On v1 a process that is put into a group through `cgroup.procs` pays for
//! `cgroup_threadgroup_rwsem`: after a rest that is an RCU grace period, 5 to 26 ms. A thread that
//! moves only itself, by writing `0` to `tasks`, does not. So the new process joins by itself, while it
//! has one thread, through descriptors opened before it lost sight of the host. On v2 it is cloned
//! into the group (`CLONE_INTO_CGROUP`) and nothing is written at all.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use crate::group::{Directories, V1Directory};
use crate::{Cgroup, CgroupError, file};

/// The open way into a group.
#[derive(Debug)]
pub enum Joiner {
    /// The `tasks` file of each v1 hierarchy, open for writing.
    Tasks(Vec<(PathBuf, File)>),
    /// The v2 directory, to be cloned into.
    Directory(OwnedFd),
}

impl Cgroup {
    /// Opens the way into the group. Descriptors are close-on-exec.
    ///
    /// # Errors
    /// [`CgroupError::Read`] naming the file that cannot be opened.
    pub fn joiner(&self) -> Result<Joiner, CgroupError> {
        match self.directories() {
            Directories::V1(directories) => directories
                .iter()
                .map(|directory| {
                    let path = directory.path.join("tasks");
                    match File::options().write(true).open(&path) {
                        Ok(file) => Ok((path, file)),
                        Err(source) => Err(CgroupError::Read { path, source }),
                    }
                })
                .collect::<Result<_, _>>()
                .map(Joiner::Tasks),
            Directories::V2 { path, .. } => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::open(path, flags, Mode::empty())
                    .map(Joiner::Directory)
                    .map_err(|source| CgroupError::Read {
                        path: path.clone(),
                        source: source.into(),
                    })
            }
        }
    }
}

impl Cgroup {
    /// The group with directories below its own: each choice is a path for every hierarchy, or
    /// `<controller>[,<controller>…]:<path>` for those (version 1 only). They are not made.
    ///
    /// # Errors
    /// [`CgroupError::BadPath`] for `..`, [`CgroupError::NoSuchController`].
    pub fn below<'a>(
        &self,
        choices: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CgroupError> {
        let mut directories = self.directories().clone();
        for choice in choices {
            let (controllers, path) = choice
                .split_once(':')
                .map_or((None, choice), |(names, path)| (Some(names), path));
            let inside = Path::new(path.trim_start_matches('/'));
            if inside.components().any(|part| part == Component::ParentDir) {
                return Err(CgroupError::BadPath { path: path.into() });
            }
            let unknown = || CgroupError::NoSuchController {
                name: controllers.unwrap_or_default().to_owned(),
            };
            match (&mut directories, controllers) {
                (Directories::V1(all), None) => all.iter_mut().for_each(|d| d.path.push(inside)),
                (Directories::V1(all), Some(names)) => {
                    for name in names.split(',') {
                        let has = |d: &&mut V1Directory| d.controllers.iter().any(|c| c == name);
                        let found = all.iter_mut().find(has).ok_or_else(unknown)?;
                        found.path.push(inside);
                    }
                }
                (Directories::V2 { path, .. }, None) => path.push(inside),
                (Directories::V2 { .. }, Some(_)) => return Err(unknown()),
            }
        }
        Ok(Self::of_directories(directories))
    }

    /// Puts another process, with all its threads, into every hierarchy of the group it is not in yet
    /// (`cgroup.procs`). Slow on v1: see above.
    ///
    /// # Errors
    /// [`CgroupError::Write`].
    pub fn add(&self, process: Pid) -> Result<(), CgroupError> {
        let number = process.as_raw_nonzero().to_string();
        let paths: Vec<&Path> = match self.directories() {
            Directories::V1(directories) => directories.iter().map(|d| d.path.as_path()).collect(),
            Directories::V2 { path, .. } => vec![path],
        };
        paths
            .into_iter()
            .try_for_each(|path| file::write(&path.join("cgroup.procs"), &number))
    }
}

impl Joiner {
    /// What to clone into, on v2.
    pub fn clone_into(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tasks(_) => None,
            Self::Directory(directory) => Some(directory.as_fd()),
        }
    }

    /// Moves the calling thread, which must be its process's only one. Nothing to do on v2.
    ///
    /// # Errors
    /// [`CgroupError::Write`].
    pub fn enter(&self) -> Result<(), CgroupError> {
        let Self::Tasks(files) = self else {
            return Ok(());
        };
        for (path, file) in files {
            let mut file: &File = file;
            file.write_all(b"0").map_err(|source| CgroupError::Write {
                path: path.clone(),
                value: "0".to_owned(),
                source,
            })?;
        }
        Ok(())
    }
}
