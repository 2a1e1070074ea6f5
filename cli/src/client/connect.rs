//! Opens one connection to the engine and hands it to hyper.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{Command, Stdio};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::error::ClientError;
use crate::config::Host;
use crate::config::SshTarget;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(super) type Sender = http1::SendRequest<Body>;

pub(super) async fn connect(host: &Host) -> Result<Sender, ClientError> {
    match host {
        Host::Unix(path) => {
            let stream = UnixStream::connect(path)
                .await
                .map_err(|cause| failed(host, cause))?;
            handshake(stream).await
        }
        Host::Tcp(address) => {
            let stream = TcpStream::connect(address)
                .await
                .map_err(|cause| failed(host, cause))?;
            // Keystrokes of an attached terminal are small and must not wait for company.
            let _ = stream.set_nodelay(true);
            handshake(stream).await
        }
        Host::Ssh(target) => handshake(dial(target)?).await,
    }
}

fn failed(host: &Host, cause: io::Error) -> ClientError {
    let host = host.to_string();
    if cause.kind() == io::ErrorKind::PermissionDenied {
        ClientError::ConnectDenied { host, cause }
    } else {
        ClientError::Connect { host, cause }
    }
}

async fn handshake<S>(stream: S) -> Result<Sender, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(ClientError::Transport)?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// Runs `ssh … docker system dial-stdio` with a socket pair as its stdin and stdout, so that the
/// rest of the program sees a unix socket.
fn dial(target: &SshTarget) -> Result<UnixStream, ClientError> {
    let broken = |cause: io::Error| ClientError::Ssh(format!("cannot run ssh: {cause}"));
    let (ours, theirs) = StdUnixStream::pair().map_err(broken)?;
    let input = theirs.try_clone().map_err(broken)?;
    let mut ssh = Command::new("ssh");
    if let Some(user) = &target.user {
        ssh.arg("-l").arg(user);
    }
    if let Some(port) = target.port {
        ssh.arg("-p").arg(port.to_string());
    }
    ssh.args([
        "-o",
        "ConnectTimeout=30",
        "-T",
        "--",
        &target.host,
        "docker",
    ]);
    if let Some(socket) = &target.socket {
        ssh.arg("--host").arg(format!("unix://{socket}"));
    }
    ssh.args(["system", "dial-stdio"]);
    let mut child = ssh
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(input)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .spawn()
        .map_err(broken)?;
    // Reaped by whoever is quicker: this thread or the program's own end.
    std::thread::spawn(move || child.wait());
    ours.set_nonblocking(true).map_err(broken)?;
    UnixStream::from_std(ours).map_err(broken)
}
