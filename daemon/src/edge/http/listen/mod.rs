//! Opens the API's sockets.

pub mod kept;

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, chown};
use tokio::net::{TcpListener, UnixListener};

/// A socket that accepts clients.
#[derive(Debug)]
pub enum Listener {
    /// A unix socket.
    Unix(UnixListener),
    /// A TCP socket.
    Tcp(TcpListener),
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// A daemon answers on it.
    #[error("{path}: another daemon is listening on this socket", path = .0.display())]
    InUse(PathBuf),
    /// The group does not exist.
    #[error("group {0} not found")]
    NoSuchGroup(String),
    /// A step of making a unix socket.
    #[error("{step} {path}", path = path.display())]
    Unix {
        /// What was tried.
        step: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A TCP address.
    #[error("listen on tcp://{address}")]
    Tcp {
        /// The address.
        address: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No socket was handed over.
    #[error("no sockets found via socket activation: make sure the service was started by systemd")]
    NoActivation,
    /// A descriptor that was handed over is no listening socket.
    #[error("use an inherited socket")]
    Inherited(#[source] io::Error),
}

/// Opens a unix socket of mode 0660 for `group`. A socket that nobody answers on is replaced.
///
/// # Errors
/// [`ListenError`].
pub fn unix(path: &Path, group: Option<u32>) -> Result<UnixListener, ListenError> {
    let failed = |step| {
        let path = path.to_owned();
        move |source| ListenError::Unix { step, path, source }
    };
    if StdUnixStream::connect(path).is_ok() {
        return Err(ListenError::InUse(path.to_owned()));
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed("make the directory of"))?;
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove the old")(error));
        }
        _ => {}
    }
    // Under the usual umask a new socket can be connected to by its owner alone, so that nobody
    // comes in before the group and the mode are set.
    let listener = UnixListener::bind(path).map_err(failed("bind"))?;
    dress(path, group)?;
    Ok(listener)
}

/// Gives a socket's file its group and mode 0660.
fn dress(path: &Path, group: Option<u32>) -> Result<(), ListenError> {
    let failed = |step| {
        let path = path.to_owned();
        move |source| ListenError::Unix { step, path, source }
    };
    if let Some(gid) = group {
        let gid = Some(Gid::from_raw(gid));
        chown(path, None, gid).map_err(|e| failed("set the group of")(e.into()))?;
    }
    let mode = Permissions::from_mode(0o660);
    std::fs::set_permissions(path, mode).map_err(failed("set the mode of"))
}

/// Opens a TCP socket.
///
/// # Errors
/// [`ListenError::Tcp`].
pub async fn tcp(address: &str) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError::Tcp {
        address: address.to_owned(),
        source,
    })
}

/// Takes a listening socket that another process opened: systemd, or the keeper of descriptors.
///
/// # Errors
/// [`ListenError::Inherited`] if it is neither a unix nor a TCP socket.
pub fn inherited(socket: OwnedFd) -> Result<Listener, ListenError> {
    use rustix::net::{AddressFamily, getsockname};
    let family = getsockname(&socket).map_err(|e| ListenError::Inherited(e.into()))?;
    if family.address_family() == AddressFamily::UNIX {
        let listener = std::os::unix::net::UnixListener::from(socket);
        listener
            .set_nonblocking(true)
            .map_err(ListenError::Inherited)?;
        return UnixListener::from_std(listener)
            .map(Listener::Unix)
            .map_err(ListenError::Inherited);
    }
    let listener = std::net::TcpListener::from(socket);
    listener
        .set_nonblocking(true)
        .map_err(ListenError::Inherited)?;
    TcpListener::from_std(listener)
        .map(Listener::Tcp)
        .map_err(ListenError::Inherited)
}

/// The number of a group, by name or number.
///
/// # Errors
/// [`ListenError::NoSuchGroup`].
pub fn group_id(group: &str) -> Result<u32, ListenError> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let found = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group)
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    });
    found.ok_or_else(|| ListenError::NoSuchGroup(group.to_owned()))
}
