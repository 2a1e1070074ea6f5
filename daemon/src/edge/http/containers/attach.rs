//! `POST /containers/{id}/attach`: the client's socket goes to the shim.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_stdio::Attach;
use tokio::sync::oneshot;

use super::{logs, parse_detach_keys};
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::{Params, Version};
use crate::edge::http::hijack::{Hijack, PendingStream, StreamKind};
use crate::engine::Engine;

pub(super) async fn attach(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Version(version): Version,
    params: Params,
    hijack: Hijack,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    let record = handle.record();
    let config = &record.config;
    let keys = parse_detach_keys(params.text("detachKeys"))?;
    let kind = if config.tty {
        StreamKind::Raw
    } else {
        StreamKind::Multiplexed
    };
    let attach = Attach {
        stdin: params.flag("stdin") && config.open_stdin,
        stdout: params.flag("stdout"),
        stderr: params.flag("stderr"),
        framed: !config.tty,
        hold: params.flag("logs"),
        detach_keys: if config.tty { keys } else { Vec::new() },
        ..Attach::default()
    };
    if attach.hold {
        // Refused before the connection is taken over.
        logs::path(&record)?;
    }
    let (sender, expected) = oneshot::channel();
    // Known to the container's owner before the client is answered: a start that the client sends
    // next waits for the stream.
    if params.flag("stream") {
        engine.containers.attach(&handle, attach, expected).await?;
    } else {
        engine.containers.recall(&handle, attach, expected);
    }
    let (response, pending) = hijack.accept(kind.content_type(version))?;
    tokio::spawn(deliver(pending, sender));
    Ok(response)
}

/// Passes the stream on once the client has its answer. If that fails, the sender's end tells.
async fn deliver(pending: PendingStream, sender: oneshot::Sender<(std::os::fd::OwnedFd, Vec<u8>)>) {
    match pending.stream().await {
        Ok(client) => drop(sender.send((client.socket, client.prefix.to_vec()))),
        Err(error) => {
            let error = gantry_errors::chain(&error).to_string();
            tracing::debug!(error, "an attaching client went away");
        }
    }
}
