//! SSH agents of the client: a socket here whose connections end there.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tonic::Request;

use super::headers::add;
use super::{CallError, ORIGIN, Session};
use crate::wire::moby::sshforward::v1::ssh_client::SshClient;
use crate::wire::moby::sshforward::v1::{BytesMessage, CheckAgentRequest};

const CHECK_AGENT: &str = "/moby.sshforward.v1.SSH/CheckAgent";

/// How much of an agent's talk goes into a message, bytes.
const PIECE_BYTES: usize = 32 << 10;

/// How many connections one socket may have at once.
const CONNECTIONS_MAX: usize = 64;

/// A socket that stands for an agent; dropped, it is gone with all its connections.
#[derive(Debug)]
pub struct Agent {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Session {
    /// Lets an agent of the client be reached at a path; none if the client does not know it.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn has_agent(&self, id: &str) -> Result<bool, CallError> {
        if self.requires(CHECK_AGENT).is_err() {
            return Ok(false);
        }
        let mut client = SshClient::with_origin(self.channel(), http::Uri::from_static(ORIGIN));
        let request = CheckAgentRequest { id: id.to_owned() };
        let answer = client.check_agent(request).await;
        match answer.map_err(CallError::of("ask the client for an SSH agent")) {
            Ok(_) => Ok(true),
            // The client's text for an unknown agent comes without a code of its own.
            Err(CallError::Refused { status, .. })
                if matches!(status.code(), tonic::Code::Unknown | tonic::Code::NotFound) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets an agent of the client be reached by a socket, which everybody may connect to who can
    /// reach its directory. Must be called within a runtime.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn agent(&self, id: &str, path: &Path) -> io::Result<Agent> {
        let listener = UnixListener::bind(path)?;
        let agent = Agent {
            path: path.to_owned(),
            task: tokio::spawn(serve(self.clone(), id.to_owned(), listener)),
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(session: Session, id: String, listener: UnixListener) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                connections.spawn(forward(session.clone(), id.clone(), stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection, until either side ends it.
async fn forward(session: Session, id: String, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let pieces = stream::unfold(reader, |mut reader| async {
        let mut buffer = vec![0; PIECE_BYTES];
        match reader.read(&mut buffer).await {
            Ok(length) if length > 0 => {
                buffer.truncate(length);
                Some((BytesMessage { data: buffer }, reader))
            }
            _ => None,
        }
    });
    let mut request = Request::new(pieces);
    add(request.metadata_mut(), "buildkit.ssh.id", &[id]);
    let mut client = SshClient::with_origin(session.channel(), http::Uri::from_static(ORIGIN));
    let mut answers = match client.forward_agent(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            tracing::debug!(error = %status, "the client did not forward its agent");
            return;
        }
    };
    while let Ok(Some(message)) = answers.message().await {
        if writer.write_all(&message.data).await.is_err() {
            return;
        }
    }
}
