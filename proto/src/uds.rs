//! gRPC over unix sockets whose paths may be longer than `sun_path` (108 bytes).
//!
//! A long path is reached through a descriptor of its directory: `/proc/self/fd/N/name`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use hyper_util::rt::TokioIo;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{UnixListener, UnixStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// Longest path that fits `sun_path` with its terminator, in bytes.
const SUN_PATH_MAX: usize = 107;

/// The path of an address as containerd writes it (`unix:///run/…` or a bare path).
#[must_use]
pub fn path_of(address: &str) -> &Path {
    Path::new(address.strip_prefix("unix://").unwrap_or(address))
}

/// A channel to the server at `path`, connected now.
///
/// # Errors
/// The socket does not exist or nobody listens.
pub async fn connect(path: &Path) -> Result<Channel, tonic::transport::Error> {
    endpoint()
        .connect_with_connector(connector(path.to_owned()))
        .await
}

/// A channel that connects at its first call, and again whenever the connection was lost.
#[must_use]
pub fn connect_lazy(path: &Path) -> Channel {
    endpoint().connect_with_connector_lazy(connector(path.to_owned()))
}

/// The authority is never resolved; servers only want one that is well-formed.
fn endpoint() -> Endpoint {
    Endpoint::from_static("http://localhost").tcp_nodelay(false)
}

fn connector(
    path: PathBuf,
) -> impl tower::Service<
    http::Uri,
    Response = TokioIo<UnixStream>,
    Error = io::Error,
    Future = impl Future<Output = io::Result<TokioIo<UnixStream>>> + Send,
> + Clone
+ Send
+ 'static {
    service_fn(move |_| {
        let path = path.clone();
        async move { stream(&path).await.map(TokioIo::new) }
    })
}

/// A stream to the socket at `path`.
///
/// # Errors
/// The socket does not exist or nobody listens.
pub async fn stream(path: &Path) -> io::Result<UnixStream> {
    let short = Short::new(path)?;
    UnixStream::connect(&short.path).await
}

/// Listens at `path` with `mode`, replacing whatever socket was there in one step.
///
/// The caller holds the lock that makes the path its own. Clients never see a moment without a
/// socket, nor one whose mode is still wider.
///
/// # Errors
/// The directory does not exist or is not writable.
pub fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let serial = COUNT.fetch_add(1, Ordering::Relaxed);
    let short = Short::new(path)?;
    let name = short
        .path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
    let new = short
        .path
        .with_file_name(format!(".{serial:x}.{:x}", std::process::id()));
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    // The inode that bind(2) makes takes the socket's own mode, less the umask.
    rustix::fs::fchmod(socket.as_fd(), Mode::from_raw_mode(mode))?;
    match rustix::fs::unlink(&new) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    rustix::net::bind(&socket, &SocketAddrUnix::new(&new)?)?;
    rustix::net::listen(&socket, 4096)?;
    rustix::fs::rename(&new, new.with_file_name(name))?;
    UnixListener::from_std(socket.into())
}

/// A path that fits `sun_path`, alive as long as this value.
struct Short {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl Short {
    /// Leaves room for the temporary name of [`listen`].
    fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() + 24 <= SUN_PATH_MAX {
            return Ok(Self {
                path: path.to_owned(),
                _directory: None,
            });
        }
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "a socket needs a directory");
        let (parent, name) = (path.parent(), path.file_name());
        let (parent, name) = (parent.ok_or_else(invalid)?, name.ok_or_else(invalid)?);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(parent, flags, Mode::empty())?;
        Ok(Self {
            path: Path::new("/proc/self/fd")
                .join(directory.as_raw_fd().to_string())
                .join(name),
            _directory: Some(directory),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{connect, listen, path_of, stream};
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    fn deep(root: &Path) -> PathBuf {
        let directory = root.join("d".repeat(90)).join("e".repeat(90));
        std::fs::create_dir_all(&directory).expect("create directories");
        directory.join("s.sock")
    }

    #[tokio::test]
    async fn a_path_of_more_than_108_bytes_works() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = deep(root.path());
        assert!(stream(&path).await.is_err());
        let listener = listen(&path, 0o600).expect("listen");
        let mode = std::fs::metadata(&path).expect("socket").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let (client, server) = tokio::join!(stream(&path), listener.accept());
        client.expect("connected");
        server.expect("accepted");
        drop(connect(&path).await.expect("channel"));
    }

    #[tokio::test]
    async fn a_new_listener_takes_the_name_over() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("s.sock");
        let _old = listen(&path, 0o600).expect("listen");
        let new = listen(&path, 0o600).expect("listen again");
        let (client, server) = tokio::join!(stream(&path), new.accept());
        client.expect("connected");
        server.expect("accepted by the new one");
        let names = std::fs::read_dir(root.path()).expect("list").count();
        assert_eq!(names, 1, "no temporary socket is left");
    }

    #[test]
    fn addresses_may_carry_a_scheme() {
        assert_eq!(path_of("unix:///run/s"), Path::new("/run/s"));
        assert_eq!(path_of("/run/s"), Path::new("/run/s"));
    }
}
