//! `attach`: a client's own socket, handed to the shim; before the start it is kept for it.

use std::{path::PathBuf, time::Duration};

use gantry_stdio::Attach;

use super::{
    actor::{Actor, Command, Expected, Reply},
    error::ContainerError,
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
}

impl Actor {
    pub(super) fn attach(&mut self, attach: Attach, stream: Expected, reply: Reply<()>) {
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
                let socket = self.all.parts.io_socket(&id);
                // Handed over beside the owner: a slow shim holds up this client alone.
                tokio::spawn(async move {
                    if let Err(error) = join(socket, attach, stream).await {
                        let error = gantry_errors::chain(&error).to_string();
                        tracing::warn!(container.id = %id, error, "a client could not attach");
                    }
                });
                None
            }
            Life::Created | Life::Exited { .. } => {
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

/// Waits for a client's stream and hands it over; a client that went away is no error.
pub(super) async fn join(
    socket: PathBuf,
    mut attach: Attach,
    stream: Expected,
) -> Result<(), HandoverError> {
    let Ok(Ok((stream, prefix))) = tokio::time::timeout(STREAM_LIMIT, stream).await else {
        return Ok(());
    };
    attach.prefix = prefix;
    stdio::hand_over(socket, attach, stream).await
}
