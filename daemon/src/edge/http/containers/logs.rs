//! `GET /containers/{id}/logs`.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use gantry_errors::{ErrorKind, chain};
use http::header;
use tokio_util::sync::CancellationToken;

use crate::container::Handle;
use crate::container::model::Record;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{Params, Version};
use crate::edge::http::hijack::StreamKind;
use crate::edge::http::time::{Moment, parse_moment};
use crate::engine::Engine;
use crate::logs::{self, LogQuery, Source};

pub(super) async fn logs(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Version(version): Version,
    params: Params,
) -> ApiResult<Response> {
    let handle = engine.containers.find(&id)?;
    let record = handle.record();
    if !params.flag("stdout") && !params.flag("stderr") {
        return Err(ApiError::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let query = query(&params, &record)?;
    let kind = if record.config.tty {
        StreamKind::Raw
    } else {
        StreamKind::Multiplexed
    };
    let body = Body::from_stream(open(&engine, &handle, query).await?);
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, kind.content_type(version))
        .body(body)
        .expect("the header is valid"))
}

fn query(params: &Params, record: &Record) -> Result<LogQuery, ApiError> {
    // 0 stands for "not given".
    let moment = |name: &str| -> Result<Option<i64>, ApiError> {
        Ok(parse_moment(name, params.text(name))?
            .map(Moment::as_ns)
            .filter(|ns| *ns > 0))
    };
    let tail = match params.text("tail") {
        "" | "all" => None,
        // A number that cannot be read is all, as in dockerd.
        text => text.parse().ok(),
    };
    Ok(LogQuery {
        stdout: params.flag("stdout"),
        stderr: params.flag("stderr"),
        since_ns: moment("since")?,
        until_ns: moment("until")?,
        end: None,
        tail,
        timestamps: params.flag("timestamps"),
        details: params.flag("details"),
        follow: params.flag("follow"),
        framed: !record.config.tty,
    })
}

/// The log as a stream.
///
/// # Errors
/// The container keeps none, or it cannot be opened.
pub(super) async fn open(
    engine: &Engine,
    handle: &Handle,
    query: LogQuery,
) -> Result<impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + use<>, ApiError>
{
    let source = Source {
        path: path(&handle.record())?,
        complete: complete(handle),
        closing: engine.closing.clone(),
    };
    logs::lines(source, query, engine.log_watch.clone())
        .await
        .map_err(|error| ApiError::new(ErrorKind::Internal, chain(&error).to_string()))
}

/// The live file of a container's log.
///
/// # Errors
/// The container keeps none.
pub(super) fn path(record: &Record) -> ApiResult<PathBuf> {
    let path = record.log_path.clone().ok_or_else(|| {
        ApiError::new(
            ErrorKind::Unimplemented,
            "configured logging driver does not support reading",
        )
    })?;
    Ok(path.into())
}

/// Cancelled once the process that runs now has ended.
fn complete(handle: &Handle) -> CancellationToken {
    let token = CancellationToken::new();
    if !handle.record().life.counts_as_running() {
        token.cancel();
        return token;
    }
    let (ended, mut watch) = (token.clone(), handle.watch());
    tokio::spawn(async move {
        // The owner's end is the container's.
        let over = |view: &crate::container::registry::View| {
            view.removed || !view.record.life.counts_as_running()
        };
        tokio::select! {
            _ = watch.wait_for(over) => ended.cancel(),
            () = ended.cancelled() => {}
        }
    });
    token
}
