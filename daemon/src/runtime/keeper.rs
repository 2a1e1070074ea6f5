//! Descriptors that outlive gantryd: parked in containerd-lite, and in the shim of a container that
//! binds the engine's own socket (`park` and `fetch` of `docs/protocols/stdio.md`).
//!
//! A socket that a container has bind-mounted is an inode, not a path: it answers again only when
//! the very same listening socket is served again. So the listener is parked once it is open, and
//! fetched before anything is bound anew. Synchronous: for the engine's start, and for the blocking
//! pool.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use gantry_network::NameSockets;
use gantry_stdio::{Answer, Connection, NAMES_TCP, Request, SocketError};

/// Why a descriptor could not be parked or fetched.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The keeper's socket failed.
    #[error("speak to the keeper at {path}")]
    Socket {
        path: PathBuf,
        #[source]
        source: SocketError,
    },
    /// It keeps nothing of this name, or refused.
    #[error("keeper at {path} refused {name}: {text}")]
    Refused {
        path: PathBuf,
        name: String,
        text: String,
    },
}

/// The name a listener of the API is kept under.
#[must_use]
pub fn api_name(socket: &Path) -> String {
    format!("api:{}", socket.display())
}

/// Leaves a duplicate with the keeper.
///
/// # Errors
/// [`KeeperError`].
pub fn park(keeper: &Path, name: &str, descriptor: BorrowedFd<'_>) -> Result<(), KeeperError> {
    let request = Request::Park {
        name: name.to_owned(),
    };
    ask(keeper, name, &request, Some(descriptor)).map(drop)
}

/// Takes a duplicate of what is kept.
///
/// # Errors
/// [`KeeperError`]; [`KeeperError::Refused`] where nothing is kept under the name.
pub fn fetch(keeper: &Path, name: &str) -> Result<OwnedFd, KeeperError> {
    let answer = ask(
        keeper,
        name,
        &Request::Fetch {
            name: name.to_owned(),
        },
        None,
    )?;
    answer.ok_or_else(|| KeeperError::Refused {
        path: keeper.to_owned(),
        name: name.to_owned(),
        text: "it sent no descriptor".to_owned(),
    })
}

/// Has a container's shim serve names on these sockets for as long as it lives.
///
/// # Errors
/// [`KeeperError`]; [`KeeperError::Refused`] where the shim cannot.
pub fn serve_names(shim: &Path, sockets: &NameSockets) -> Result<(), KeeperError> {
    park(shim, NAMES_TCP, sockets.tcp.as_fd())?;
    let request = Request::Names {
        table: sockets.table.clone(),
        namespace: sockets.namespace.clone(),
    };
    ask(shim, "names", &request, Some(sockets.udp.as_fd())).map(drop)
}

/// Asks each keeper in turn: containerd-lite first, then the shims. The first that has it wins.
#[must_use]
pub fn fetch_anywhere(keepers: &[PathBuf], name: &str) -> Option<OwnedFd> {
    keepers.iter().find_map(|keeper| fetch(keeper, name).ok())
}

/// The stdio sockets of all shims, which keep descriptors too.
#[must_use]
pub fn shim_keepers(io_dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(io_dir) else {
        return Vec::new();
    };
    let mut sockets: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "sock")
        })
        .collect();
    sockets.sort();
    sockets
}

fn ask(
    keeper: &Path,
    name: &str,
    request: &Request,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<Option<OwnedFd>, KeeperError> {
    let socket = |source| KeeperError::Socket {
        path: keeper.to_owned(),
        source,
    };
    let refused = |text: String| KeeperError::Refused {
        path: keeper.to_owned(),
        name: name.to_owned(),
        text,
    };
    let connection = Connection::connect(keeper).map_err(socket)?;
    connection
        .send_request(request, descriptor)
        .map_err(socket)?;
    match connection.recv_answer().map_err(socket)? {
        Some((Answer::Ok(true), descriptor)) => Ok(descriptor),
        Some((Answer::Error(text), _)) => Err(refused(text)),
        Some(_) | None => Err(refused("no answer".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use gantry_stdio::Listener;

    use super::*;

    /// A keeper for one request each.
    fn keeper(path: &Path) -> thread::JoinHandle<()> {
        let listener = Listener::bind(path).unwrap();
        thread::spawn(move || {
            let mut kept: Option<OwnedFd> = None;
            for _ in 0..2 {
                let connection = loop {
                    match listener.accept() {
                        Ok(connection) => break connection,
                        Err(error) if error.would_block() => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                };
                let (request, descriptor) = loop {
                    match connection.recv_request() {
                        Ok(Some(request)) => break request,
                        Ok(None) => panic!("no request"),
                        Err(error) if error.would_block() => thread::yield_now(),
                        Err(error) => panic!("{error}"),
                    }
                };
                match request {
                    Request::Park { .. } => {
                        kept = descriptor;
                        connection.send_answer(&Answer::Ok(true), None).unwrap();
                    }
                    Request::Fetch { .. } => connection
                        .send_answer(&Answer::Ok(true), kept.as_ref().map(AsFd::as_fd))
                        .unwrap(),
                    Request::Attach(_) | Request::Release | Request::Names { .. } => {
                        panic!("not asked for")
                    }
                }
            }
        })
    }

    #[test]
    fn a_listener_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("api.sock");
        let keeper_path = dir.path().join("a.sock");
        let thread = keeper(&keeper_path);
        let listener = UnixListener::bind(&socket).unwrap();
        let name = api_name(&socket);
        park(&keeper_path, &name, listener.as_fd()).unwrap();
        drop(listener);
        let keepers = [dir.path().join("none.sock"), keeper_path];
        let again = fetch_anywhere(&keepers, &name).expect("kept");
        let again = UnixListener::from(again);
        let client = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        again.accept().unwrap();
        drop(client);
        thread.join().unwrap();
        assert_eq!(shim_keepers(dir.path()).len(), 2);
    }
}
