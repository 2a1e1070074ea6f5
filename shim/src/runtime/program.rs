//! The runtime's program, and a read-only view of it to run it from.
//!
//! A runtime that enters containers runs from a file that cannot be written through `/proc/<pid>/exe`:
//! our own makes itself a detached read-only copy of its file's mount and executes itself again from it.
//! The last one to let go of such a view waits for every processor, and that would be the runtime's
//! process, which the shim waits for. So the shim makes the view, once, and runs our own runtime from it:
//! a runtime that finds itself on a read-only mount has nothing to do. Others take care of themselves in
//! ways of their own, and are run as they are.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_linux::mount_attr::{self, MountAttributes};
use rustix::fs::CWD;
use rustix::mount::OpenTreeFlags;

/// See the module; clones share the view.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    view: Arc<Mutex<Option<View>>>,
}

#[derive(Debug)]
struct View {
    mount: OwnedFd,
    /// Device and number of the file: another may be put in its place, and is then the one to run.
    file: (u64, u64),
}

impl Program {
    /// The program at `path`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            view: Arc::default(),
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the engine's own runtime, which lies beside our own executable.
    pub(crate) fn is_own(&self) -> bool {
        own().is_some_and(|own| own == self.path)
    }

    /// A command that runs it.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.path)
    }

    /// A command that runs it to enter a container: our own from its view. The view must not be dropped
    /// before the command has been started, and lives as long as `self`.
    pub(super) fn command_that_enters(&self) -> Command {
        match self.is_own().then(|| self.viewed()).flatten() {
            Some(place) => {
                let mut command = Command::new(place);
                command.arg0(&self.path);
                command
            }
            None => self.command(),
        }
    }

    /// The path of the view in this process and in those that it starts.
    fn viewed(&self) -> Option<String> {
        let meta = fs::metadata(&self.path).ok()?;
        let file = (meta.dev(), meta.ino());
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.as_ref().is_none_or(|view| view.file != file) {
            *view = Some(View {
                mount: open(&self.path)?,
                file,
            });
        }
        let mount = &view.as_ref()?.mount;
        Some(format!("/proc/self/fd/{}", mount.as_raw_fd()))
    }
}

/// The engine's own runtime.
pub(super) fn own() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.with_file_name(super::DEFAULT))
}

/// A detached read-only copy of the mount of a file; none where the kernel or its owner refuses.
fn open(path: &Path) -> Option<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let view = rustix::mount::open_tree(CWD, path, flags).ok()?;
    let change = MountAttributes {
        set: mount_attr::RDONLY,
        ..MountAttributes::default()
    };
    mount_attr::set(view.as_fd(), change).ok()?;
    Some(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_cannot_be_written_and_shows_the_file_that_is_there_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, "one").unwrap();
        let program = Program::new(path.clone());
        let view = program.viewed().unwrap();
        assert_eq!(fs::read_to_string(&view).unwrap(), "one");
        let refused = fs::OpenOptions::new().write(true).open(&view).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);

        fs::write(folder.path().join("new"), "another").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let view = program.viewed().unwrap();
        assert_eq!(fs::read_to_string(&view).unwrap(), "another");
    }

    #[test]
    fn others_are_run_as_they_are() {
        let program = Program::new("/usr/bin/other".into());
        let command = program.command_that_enters();
        assert_eq!(command.get_program(), "/usr/bin/other");
    }
}
