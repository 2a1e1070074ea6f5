//! The API's unix socket over the daemon's restarts.
//!
//! A container that has bind-mounted the socket holds a file, not a path: it is answered again only
//! by the very same listening socket. So the listener is parked with the keeper once it is open and
//! fetched before anything is bound anew; what clients sent in between waits in its queue.
//!
//! ```text
//! killed:   the file stays, clients queue      start: fetch, the path is its file: serve it
//! stopped:  the file is renamed, clients get   start: fetch, rename it back, serve it
//!           ENOENT and are not left waiting
//! replaced: somebody else's file has the path  start: fetch and serve it for containers, and bind
//!                                              the path anew
//! ```

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use gantry_errors::chain;
use gantry_linux::unix_socket::bound_file;
use rustix::fs::{fstat, stat};
use tracing::{info, warn};

use super::{ListenError, Listener, dress, inherited, unix};
use crate::runtime::keeper;

/// Who keeps descriptors while the daemon is away.
#[derive(Debug, Clone)]
pub struct Keepers {
    /// containerd-lite's; none where the engine has no supervisor of its own.
    pub supervisor: Option<PathBuf>,
    /// The directory of the shims' sockets.
    pub io_dir: PathBuf,
}

/// Opens the unix socket at `path` for `group`: the one that was kept, or a new one. More than one
/// where the kept one's file has lost its name to another.
///
/// # Errors
/// [`ListenError`], for the new one.
pub fn open(
    path: &Path,
    group: Option<u32>,
    keepers: &Keepers,
) -> Result<Vec<Listener>, ListenError> {
    let kept = fetch(path, keepers);
    let has_path = kept.as_ref().is_some_and(|socket| reclaim(socket, path));
    let mut listeners = Vec::new();
    if let Some(socket) = kept {
        listeners.push(inherited(socket)?);
    }
    if has_path {
        dress(path, group)?;
        info!(path = %path.display(), "the API's socket was kept over the restart");
    } else {
        let _ = fs::remove_file(aside(path));
        listeners.push(Listener::Unix(unix(path, group)?));
    }
    if let Some(newest) = listeners.last() {
        park(newest, path, keepers);
    }
    Ok(listeners)
}

/// Takes the socket's name away, so that clients of a stopped daemon are refused and do not wait for
/// its next start.
pub fn put_aside(path: &Path) {
    let _ = fs::rename(path, aside(path));
}

fn fetch(path: &Path, keepers: &Keepers) -> Option<OwnedFd> {
    let mut places: Vec<PathBuf> = keepers.supervisor.iter().cloned().collect();
    places.extend(keeper::shim_keepers(&keepers.io_dir));
    keeper::fetch_anywhere(&places, &keeper::api_name(path))
}

fn park(listener: &Listener, path: &Path, keepers: &Keepers) {
    let Some(supervisor) = &keepers.supervisor else {
        return;
    };
    let name = keeper::api_name(path);
    if let Err(error) = keeper::park(supervisor, &name, listener.as_fd()) {
        warn!(error = %chain(&error), "the API's socket is not kept over a restart");
    }
}

/// Whether the socket's file has the path, or can have it back from where it was put aside.
fn reclaim(socket: &OwnedFd, path: &Path) -> bool {
    let Ok(file) = bound_file(socket.as_fd()) else {
        return false;
    };
    let Ok(own) = fstat(&file) else {
        return false;
    };
    let is_own = |path: &Path| {
        stat(path).is_ok_and(|found| (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino))
    };
    let back = || is_own(&aside(path)) && !answers(path) && fs::rename(aside(path), path).is_ok();
    is_own(path) || back()
}

/// Whether another process serves the path.
fn answers(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// Where the file of a stopped daemon's socket waits.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".stopped");
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_put_aside_is_reclaimed_and_a_replaced_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        let socket = OwnedFd::from(listener);
        assert!(reclaim(&socket, &path), "it has its name");
        put_aside(&path);
        assert!(!path.exists());
        assert!(reclaim(&socket, &path), "it gets its name back");
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        assert!(!reclaim(&socket, &path), "another's file has the name");
        drop(other);
    }
}
