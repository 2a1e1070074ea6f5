//! The answer of `GET /containers/{id}/logs`, once the container's log has been found.

use std::path::PathBuf;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gantry_engine_api::ApiVersion;
use gantry_errors::{ErrorKind, chain};
use http::{HeaderValue, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::error::{ApiError, ApiResult};
use super::extract::Params;
use super::hijack::StreamKind;
use super::time::{Moment, parse_moment};
use crate::engine::Engine;
use crate::logs::{self, LogQuery, Source};

/// A container's log.
#[derive(Debug, Clone)]
pub struct ContainerLog {
    /// The live file.
    pub path: PathBuf,
    /// Cancelled when the container has ended and its log is complete; for a container that does
    /// not run, cancelled already.
    pub complete: CancellationToken,
    /// Whether the container has a terminal: then nothing is framed.
    pub tty: bool,
}

/// Streams the log as the query asks for it. The head is sent at once, also while nothing has been
/// written yet.
///
/// # Errors
/// 400 for a bad parameter, 500 if the log cannot be read.
pub async fn respond(
    engine: &Engine,
    log: ContainerLog,
    params: &Params,
    version: ApiVersion,
) -> ApiResult {
    let query = query(params, !log.tty)?;
    let source = Source {
        path: log.path,
        complete: log.complete,
        closing: engine.closing.clone(),
    };
    let lines = logs::lines(source, query, engine.log_watch.clone()).await;
    let lines = lines.map_err(|e| ApiError::new(ErrorKind::Internal, chain(&e).to_string()))?;
    let kind = if log.tty {
        StreamKind::Raw
    } else {
        StreamKind::Multiplexed
    };
    let kind = HeaderValue::from_static(kind.content_type(version));
    let response: Response = (
        StatusCode::OK,
        [(header::CONTENT_TYPE, kind)],
        Body::from_stream(lines),
    )
        .into_response();
    Ok(response)
}

fn query(params: &Params, framed: bool) -> Result<LogQuery, ApiError> {
    let (stdout, stderr) = (params.flag("stdout"), params.flag("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let moment = |name: &str| {
        let moment = parse_moment(name, params.text(name))?;
        // Clients send 0 for "not set".
        Ok::<_, ApiError>(moment.map(Moment::as_ns).filter(|ns| *ns != 0))
    };
    Ok(LogQuery {
        stdout,
        stderr,
        since_ns: moment("since")?,
        until_ns: moment("until")?,
        // As in dockerd, what is no number means all.
        tail: params.text("tail").parse().ok(),
        timestamps: params.flag("timestamps"),
        details: params.flag("details"),
        follow: params.flag("follow"),
        framed,
    })
}
