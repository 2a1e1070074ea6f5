//! Routes under `/exec`.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use gantry_engine_api::exec::ExecStartRequest;
use gantry_stdio::Attach;
use http::StatusCode;

use super::containers::{parse_detach_keys, size};
use super::error::{ApiError, ApiResult};
use super::extract::{OptionalJson, Params, Version};
use super::hijack::{Hijack, PendingStream, StreamKind};
use super::json;
use crate::container::Handle;
use crate::engine::Engine;
use crate::exec::operate::{StartOptions, inspect, settled};
use crate::exec::{Exec, ExecLife};

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(show))
}

async fn show(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> ApiResult<Response> {
    let (_, exec) = engine.containers.find_exec(&id)?;
    settled(&exec).await;
    Ok(json(StatusCode::OK, &inspect(&exec)))
}

async fn resize(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<StatusCode> {
    engine.containers.resize_exec(&id, size(&params)?).await?;
    Ok(StatusCode::OK)
}

async fn start(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Version(version): Version,
    hijack: Hijack,
    OptionalJson(request): OptionalJson<ExecStartRequest>,
) -> ApiResult<Response> {
    let (handle, exec) = engine.containers.find_exec(&id)?;
    if exec.life() != ExecLife::Created {
        return Err(ApiError::new(
            gantry_errors::ErrorKind::Conflict,
            format!("exec command {id} is already running"),
        ));
    }
    let options = StartOptions {
        tty: request.tty,
        size: request
            .console_size
            .or(exec.request.console_size)
            .map(|[h, w]| (w, h)),
    };
    if request.detach {
        engine
            .containers
            .start_exec(&handle, &exec, options, None)
            .await?;
        return Ok(axum::response::IntoResponse::into_response(StatusCode::OK));
    }
    let terminal = exec.request.tty || request.tty;
    let kind = if terminal {
        StreamKind::Raw
    } else {
        StreamKind::Multiplexed
    };
    let keys = parse_detach_keys(&exec.request.detach_keys)?;
    let attach = Attach {
        stdin: exec.request.attach_stdin,
        stdout: exec.request.attach_stdout,
        stderr: exec.request.attach_stderr,
        framed: !terminal,
        detach_keys: if terminal { keys } else { Vec::new() },
        ..Attach::default()
    };
    let (response, pending) = hijack.accept(kind.content_type(version))?;
    tokio::spawn(run(
        engine,
        handle,
        exec,
        Session {
            options,
            attach,
            pending,
        },
    ));
    Ok(response)
}

/// An exec whose client is being answered.
struct Session {
    options: StartOptions,
    attach: Attach,
    pending: PendingStream,
}

async fn run(engine: Arc<Engine>, handle: Handle, exec: Arc<Exec>, session: Session) {
    let Session {
        options,
        mut attach,
        pending,
    } = session;
    let Ok(client) = pending.stream().await else {
        return;
    };
    attach.prefix = client.prefix.to_vec();
    let framed = attach.framed;
    let Ok(copy) = client.socket.try_clone() else {
        return;
    };
    let stream = Some((attach, client.socket));
    if let Err(error) = engine
        .containers
        .start_exec(&handle, &exec, options, stream)
        .await
    {
        tell(copy, framed, &gantry_errors::chain(&error).to_string());
    }
}

/// The answer's head is out: the client reads of a failure in the stream itself, as from dockerd.
fn tell(socket: OwnedFd, framed: bool, text: &str) {
    let mut bytes = Vec::new();
    let line = format!("{text}\r\n");
    if framed {
        let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(length.to_be_bytes());
    }
    bytes.extend(line.as_bytes());
    // write(2) and shutdown(2) do not care which family the socket is of.
    let mut stream = UnixStream::from(socket);
    drop(stream.write_all(&bytes));
    drop(stream.shutdown(std::net::Shutdown::Both));
}
