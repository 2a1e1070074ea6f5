//! `POST /images/create?fromImage=`.

use std::sync::Arc;

use gantry_engine_api::progress::ProgressMessage;
use gantry_errors::{Classify, chain};
use gantry_ids::{Digest, ImageRef, Platform};
use gantry_registry::transfer::{Event, PullRequest};
use gantry_registry::{Credentials, TransferError};
use http::HeaderMap;
use tokio::sync::mpsc;

use super::{advised, announce_reference, words};
use crate::edge::http::blocking::blocking;
use crate::edge::http::client::Client;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::follow::follow;
use crate::engine::Engine;

/// Pulls an image, or all tags of a repository if there is neither tag nor digest.
pub(super) async fn pull(
    engine: Arc<Engine>,
    params: &Params,
    headers: &HeaderMap,
    client: Client,
) -> ApiResult {
    let reference = wanted(params.text("fromImage"), params.text("tag"))?;
    let platform = match params.text("platform") {
        "" => None,
        text => Some(
            text.parse::<Platform>()
                .map_err(|error| ApiError::invalid(error.to_string()))?,
        ),
    };
    let request = PullRequest {
        reference,
        platform,
        credentials: credentials(headers),
    };
    follow(client, move |messages| run(engine, request, messages)).await
}

async fn run(
    engine: Arc<Engine>,
    request: PullRequest,
    messages: mpsc::Sender<ProgressMessage>,
) -> Result<(), ApiError> {
    let (sender, mut events) = mpsc::channel::<Event>(32);
    let wants_all = request.reference.tag().is_none() && request.reference.digest().is_none();
    let transfers = Arc::clone(&engine.transfers);
    let name = request.reference.familiar();
    let work = async {
        let sender = sender;
        if wants_all {
            transfers.pull_all(&request, &sender).await
        } else {
            transfers.pull(&request, &sender).await.map(drop)
        }
    };
    let tell = async {
        while let Some(event) = events.recv().await {
            let _ = messages.send(words::message(event)).await;
        }
    };
    let (end, ()) = tokio::join!(work, tell);
    if let Err(error) = end {
        let (told, engine) = (failure(&error), Arc::clone(&engine));
        return blocking(move || Err(advised(&engine, told))).await;
    }
    announce_reference(&engine, "pull", &name);
    Ok(())
}

/// `fromImage` with `tag`, which may also be a digest.
fn wanted(image: &str, tag: &str) -> Result<ImageRef, ApiError> {
    let invalid = |error: &gantry_ids::ReferenceError| ApiError::invalid(chain(error).to_string());
    let reference: ImageRef = image.parse().map_err(|error| invalid(&error))?;
    if tag.is_empty() {
        return Ok(reference);
    }
    match tag.parse::<Digest>() {
        Ok(digest) => Ok(reference.with_digest(digest)),
        Err(_) => reference.with_tag(tag).map_err(|error| invalid(&error)),
    }
}

/// `X-Registry-Auth`. What cannot be read is nobody's, as in dockerd.
pub(in crate::edge::http) fn credentials(headers: &HeaderMap) -> Credentials {
    let header = headers
        .get("x-registry-auth")
        .map(http::HeaderValue::as_bytes);
    Credentials::from_header(header.unwrap_or_default()).unwrap_or_else(|error| {
        tracing::debug!(%error, "going on without credentials");
        Credentials::Anonymous
    })
}

/// A transfer's error as an answer.
pub(in crate::edge::http) fn failure(error: &TransferError) -> ApiError {
    ApiError::new(error.kind(), chain(error).to_string())
}
