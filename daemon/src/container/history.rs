//! What was logged before a client attached (`logs=1`): written to the client's own stream, before the
//! shim sends on it what comes now. A client that asks for no more (`stream=0`) gets it alone.
//!
//! While this writes, the shim keeps the process's output back for the client and has told where the
//! log ended when it began to (`hold` in `docs/protocols/stdio.md`): nothing is told twice or left out.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use gantry_stdio::{Attach, LogPlace};
use rustix::net::{SendFlags, Shutdown};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::actor::Expected;
use super::attach::arrive;
use crate::logs::{self, LogError, LogQuery, Source};

/// Why a client did not get what was logged.
#[derive(Debug, thiserror::Error)]
pub(super) enum HistoryError {
    /// The log.
    #[error("read the log for a client that attaches")]
    Log(#[from] LogError),
    /// A log that breaks off, or a client that has gone.
    #[error("send the log to a client that attaches")]
    Send(#[from] std::io::Error),
}

/// Writes the log up to `end` to a client; all of it if there is none.
pub(super) async fn write(
    log: &Path,
    attach: &Attach,
    end: Option<LogPlace>,
    client: &OwnedFd,
) -> Result<(), HistoryError> {
    let complete = CancellationToken::new();
    complete.cancel();
    let source = Source {
        path: log.to_owned(),
        complete,
        closing: CancellationToken::new(),
    };
    let query = LogQuery {
        stdout: attach.stdout,
        stderr: attach.stderr,
        since_ns: None,
        until_ns: None,
        end,
        tail: None,
        timestamps: false,
        details: false,
        // Of a log that is complete: to its end, each record in a frame of its own as the shim's are.
        follow: true,
        framed: attach.framed,
    };
    let lines = logs::lines(source, query, None).await?;
    let mut lines = std::pin::pin!(lines);
    #[expect(
        deprecated,
        reason = "a borrowed descriptor, which outlives it, is what the unsafe replacement asks for"
    )]
    let client = AsyncFd::new(client.as_fd())?;
    while let Some(buffer) = lines.next().await {
        let mut rest = &buffer?[..];
        while !rest.is_empty() {
            let mut guard = client.writable().await?;
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let sent = guard.try_io(|fd| Ok(rustix::net::send(fd.get_ref(), rest, flags)?));
            if let Ok(sent) = sent {
                rest = &rest[sent?..];
            }
        }
    }
    Ok(())
}

/// The stream of a client that attaches to a container that does not run: it comes once the client has
/// got what was logged.
pub(super) fn first(log: PathBuf, attach: Attach, stream: Expected) -> Expected {
    let (sender, expected) = oneshot::channel();
    tokio::spawn(async move {
        let Some((client, prefix)) = arrive(stream).await else {
            return;
        };
        match write(&log, &attach, None, &client).await {
            Ok(()) => drop(sender.send((client, prefix))),
            Err(error) => tell(&error),
        }
    });
    expected
}

/// What was logged, and the end of the stream.
pub(super) async fn alone(log: PathBuf, attach: Attach, stream: Expected) {
    let Some((client, _)) = arrive(stream).await else {
        return;
    };
    if let Err(error) = write(&log, &attach, None, &client).await {
        tell(&error);
    }
    let _ = rustix::net::shutdown(&client, Shutdown::Write);
}

fn tell(error: &HistoryError) {
    let error = gantry_errors::chain(error).to_string();
    tracing::warn!(error, "a client did not get what was logged");
}
