//! A tree that was checked out, made the same wherever it is made: modes, times, nothing of `git`.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps, openat2, utimensat,
};

use crate::{GitError, Keep};

/// Gives files and directories the modes and the time of a commit. `.git` of the tree itself is left
/// alone; those of submodules name it, and are removed where it is not kept.
pub(crate) fn finish(root: &Path, time_s: i64, keep: Keep) -> Result<(), GitError> {
    let mut waiting = vec![root.to_owned()];
    let mut directories = Vec::new();
    while let Some(directory) = waiting.pop() {
        let fault = |source| GitError::File {
            path: directory.clone(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let path = entry.path();
            if entry.file_name() == ".git" {
                if keep == Keep::Nothing && directory != root {
                    remove(&path).map_err(fault)?;
                }
                continue;
            }
            let kind = entry.file_type().map_err(fault)?;
            if kind.is_dir() {
                waiting.push(path);
                continue;
            }
            if kind.is_file() {
                let is_program = entry.metadata().map_err(fault)?.permissions().mode() & 0o100 != 0;
                let mode = if is_program { 0o755 } else { 0o644 };
                fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(fault)?;
            }
            touch(&path, time_s).map_err(fault)?;
        }
        directories.push(directory);
    }
    for path in directories {
        let set = fs::set_permissions(&path, Permissions::from_mode(0o755));
        let set = set.and_then(|()| touch(&path, time_s));
        set.map_err(|source| GitError::File { path, source })?;
    }
    Ok(())
}

/// Whether a path of a tree is a directory, no link on the way.
pub(crate) fn is_directory(root: &Path, path: &str) -> Result<(), &'static str> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty()).map_err(|_| "no such directory")?;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(root, path, flags, Mode::empty(), within) {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::NOENT) => Err("no such directory"),
        Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            Err("a part of the path is no directory")
        }
        Err(_) => Err("it cannot be opened"),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

fn touch(path: &Path, time_s: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: time_s,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
