//! `POST /images/{name}/push`.

use std::sync::Arc;

use gantry_engine_api::progress::ProgressMessage;
use gantry_errors::chain;
use gantry_ids::ImageRef;
use gantry_registry::transfer::{Event, PushRequest};
use http::HeaderMap;
use tokio::sync::mpsc;

use super::pull::{credentials, failure};
use super::{announce_reference, packing, platform, words};
use crate::edge::http::client::Client;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::follow::follow;
use crate::engine::Engine;

/// Pushes a tag, or all tags of a repository if none is named.
pub(super) async fn push(
    engine: Arc<Engine>,
    name: &str,
    params: &Params,
    headers: &HeaderMap,
    client: Client,
) -> ApiResult {
    let platform = platform::asked(params)?;
    let invalid = |error: &gantry_ids::ReferenceError| ApiError::invalid(chain(error).to_string());
    let mut reference: ImageRef = name.parse().map_err(|error| invalid(&error))?;
    let tag = params.text("tag");
    if !tag.is_empty() {
        reference = reference.with_tag(tag).map_err(|error| invalid(&error))?;
    }
    let request = PushRequest {
        reference,
        platform,
        packing: packing(params)?,
        credentials: credentials(headers),
    };
    follow(client, move |messages| run(engine, request, messages)).await
}

async fn run(
    engine: Arc<Engine>,
    request: PushRequest,
    messages: mpsc::Sender<ProgressMessage>,
) -> Result<(), ApiError> {
    let (sender, mut events) = mpsc::channel::<Event>(32);
    let transfers = Arc::clone(&engine.transfers);
    let work = async {
        let sender = sender;
        transfers.push(&request, &sender).await
    };
    let tell = async {
        while let Some(event) = events.recv().await {
            let fact = words::pushed(&event);
            let _ = messages.send(words::message(event)).await;
            if let Some(fact) = fact {
                let _ = messages.send(fact).await;
            }
        }
    };
    let (end, ()) = tokio::join!(work, tell);
    end.map_err(|error| failure(&error))?;
    announce_reference(&engine, "push", &request.reference.familiar());
    Ok(())
}
