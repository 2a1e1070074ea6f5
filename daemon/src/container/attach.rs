//! `attach`: a client's own socket, handed to the shim; before the start it is kept for it.

use std::{os::fd::OwnedFd, path::PathBuf, time::Duration};

use gantry_stdio::Attach;

use super::{
    actor::{Actor, Command, Expected, Reply},
    error::ContainerError,
    history,
    registry::{Containers, Handle},
    state::Life,
};
use crate::runtime::stdio::{self, HandoverError};

/// How long a client's stream may take to arrive after the client was answered.
const STREAM_LIMIT: Duration = Duration::from_secs(10);

impl Containers {
    /// Joins a client's stream to the container's process once it arrives; a start waits for it.
    ///
    /// # Errors
    /// Conflict if the container is paused or restarting.
    pub async fn attach(
        &self,
        handle: &Handle,
        attach: Attach,
        stream: Expected,
    ) -> Result<(), ContainerError> {
        handle
            .call(|reply| Command::Attach {
                attach,
                stream,
                reply,
            })
            .await
    }

    /// Gives a client what was logged, if it asked for that (`hold`), and then its stream's end.
    pub fn recall(&self, handle: &Handle, attach: Attach, stream: Expected) {
        let record = handle.record();
        self.parts.announce(&record, "attach", &[]);
        if let Some(log) = record.log_path.clone().filter(|_| attach.hold) {
            tokio::spawn(history::alone(log.into(), attach, stream));
        }
    }
}

/// A client's stream once it arrives; none if it went away, which is no error.
pub(super) async fn arrive(stream: Expected) -> Option<(OwnedFd, Vec<u8>)> {
    tokio::time::timeout(STREAM_LIMIT, stream).await.ok()?.ok()
}

impl Actor {
    fn log(&self) -> Option<PathBuf> {
        self.record.log_path.clone().map(PathBuf::from)
    }

    pub(super) fn attach(&mut self, mut attach: Attach, stream: Expected, reply: Reply<()>) {
        let id = self.record.id.clone();
        let refused = match self.record.life {
            Life::Paused { .. } => Some(ContainerError::Conflict(format!(
                "container {id} is paused, unpause the container before attach"
            ))),
            Life::Restarting { .. } => Some(ContainerError::Conflict(format!(
                "container {id} is restarting, wait until the container is running"
            ))),
            Life::Removing | Life::Dead => Some(ContainerError::Gone(id.clone())),
            Life::Running { .. } => {
                let (socket, log) = (self.all.parts.io_socket(&id), self.log());
                // Handed over beside the owner: a slow shim holds up this client alone.
                tokio::spawn(async move {
                    if let Err(error) = join((socket, log), attach, stream).await {
                        let error = gantry_errors::chain(&error).to_string();
                        tracing::warn!(container.id = %id, error, "a client could not attach");
                    }
                });
                None
            }
            Life::Created | Life::Exited { .. } => {
                let stream = match self.log() {
                    Some(log) if std::mem::take(&mut attach.hold) => {
                        history::first(log, attach.clone(), stream)
                    }
                    _ => stream,
                };
                self.pending.push((attach, stream));
                None
            }
        };
        if refused.is_none() {
            self.all.parts.announce(&self.record, "attach", &[]);
        }
        drop(reply.send(refused.map_or(Ok(()), Err)));
    }
}

/// Waits for a client's stream and hands it over to the shim that listens at the socket, after what the
/// container's log has if the client is to get that first.
pub(super) async fn join(
    (socket, log): (PathBuf, Option<PathBuf>),
    mut attach: Attach,
    stream: Expected,
) -> Result<(), HandoverError> {
    let Some((stream, prefix)) = arrive(stream).await else {
        return Ok(());
    };
    attach.prefix = prefix;
    let Some(log) = log.filter(|_| attach.hold) else {
        return stdio::hand_over(socket, attach, stream).await;
    };
    let (held, place) = stdio::hold(socket, attach.clone(), &stream).await?;
    // If this fails, the shim ends the session that nobody releases.
    if let Err(error) = history::write(&log, &attach, place, &stream).await {
        let error = gantry_errors::chain(&error).to_string();
        tracing::warn!(error, "a client did not get what was logged");
        return Ok(());
    }
    held.release()
}
