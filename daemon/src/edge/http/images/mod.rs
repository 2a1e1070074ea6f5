//! Routes under `/images`: list, inspect, history, tag, remove, pull, push, load, import, prune.
//!
//! An image's name may hold slashes (`/images/gantry/hello:latest/json`), so that what is asked for
//! is told from the path's last word, as dockerd's patterns do.

mod archive;
mod explain;
mod fetched;
mod list;
mod platform;
mod pull;
mod push;
mod remove;
mod save;
mod search;
mod wire;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use gantry_engine_api::ApiVersion;
use gantry_engine_api::image::HistoryItem;
use gantry_errors::{Classify, ErrorKind, chain};
use gantry_ids::{ImageRef, Platform};
use gantry_image::{Image, ImageError, Packing, PackingError};
use http::{HeaderMap, Method, StatusCode};

pub(super) use pull::{credentials, failure as transfer_failure};
pub(super) use wire::summary;

use super::blocking::blocking;
use super::client::Client;
use super::error::{ApiError, ApiResult};
use super::extract::{Params, Version};
use super::{json, not_built};
use crate::engine::Engine;
use crate::events::EventKind;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/images/json", get(list::list))
        .route("/images/get", get(save::several))
        .route("/images/search", get(search::search))
        .route("/images/load", post(archive::load))
        .route("/images/create", post(archive::create))
        .route("/images/prune", post(remove::prune))
        .route("/images/{*rest}", get(show).post(change))
        .route("/images/{*rest}", delete(remove::remove))
}

/// `GET /images/{name}/json`, `/history` and `/get`.
async fn show(
    State(engine): State<Arc<Engine>>,
    Path(rest): Path<String>,
    Version(version): Version,
    params: Params,
) -> ApiResult {
    match rest.rsplit_once('/') {
        Some((name, "get")) => save::save(&engine, &[name.to_owned()], &params),
        Some((name, "json")) => inspect(&engine, name, version, &params),
        Some((name, "history")) => history(&engine, name, &params),
        Some((name, "explain")) => explain::explain(&engine, name, &params).await,
        _ => Err(unknown(&Method::GET, &rest)),
    }
}

/// `POST /images/{name}/tag` and `/push`.
async fn change(
    State(engine): State<Arc<Engine>>,
    Path(rest): Path<String>,
    params: Params,
    headers: HeaderMap,
    client: Client,
) -> ApiResult {
    match rest.rsplit_once('/') {
        Some((name, "push")) => push::push(engine, name, &params, &headers, client).await,
        Some((name, "tag")) => tag(&engine, name, &params).await,
        _ => Err(unknown(&Method::POST, &rest)),
    }
}

/// What Docker lacks: how layers are to be compressed that are pushed or saved.
fn packing(params: &Params) -> Result<Option<Packing>, ApiError> {
    let text = params.text("compression");
    let asked = (!text.is_empty()).then(|| text.parse());
    let invalid = |error: PackingError| ApiError::invalid(error.to_string());
    asked.transpose().map_err(invalid)
}

fn unknown(method: &Method, rest: &str) -> ApiError {
    not_built::refusal(method, &format!("/images/{rest}"))
}

fn inspect(engine: &Engine, name: &str, version: ApiVersion, params: &Params) -> ApiResult {
    let wants_manifests = version.at_least(48) && params.flag("manifests");
    let platform = match version.at_least(49) {
        true => platform::asked(params)?,
        false => None,
    };
    if wants_manifests && platform.is_some() {
        return Err(ApiError::invalid(
            "conflicting options: manifests and platform options cannot both be set",
        ));
    }
    let image = find_for(engine, name, platform.as_ref())?;
    let mut answer = wire::inspect(&image, version);
    if wants_manifests && let Some((descriptor, manifests)) = platform::manifests(engine, name) {
        answer["Descriptor"] = serde_json::to_value(descriptor).expect("string keys only");
        answer["Manifests"] = manifests.into();
    }
    Ok(json(StatusCode::OK, &answer))
}

fn history(engine: &Engine, name: &str, params: &Params) -> ApiResult {
    let image = find_for(engine, name, platform::asked(params)?.as_ref())?;
    let steps = engine
        .images
        .history(&image)
        .into_iter()
        .map(|step| HistoryItem {
            comment: step.comment,
            created: step.created_s,
            created_by: step.created_by,
            id: step
                .id
                .map_or_else(|| "<missing>".to_owned(), |id| id.to_string()),
            size: wire::signed(step.size_bytes),
            tags: match step.tags.is_empty() {
                true => gantry_engine_api::List::default(),
                false => step.tags.iter().map(ImageRef::familiar).collect(),
            },
        });
    Ok(json(StatusCode::OK, &steps.collect::<Vec<_>>()))
}

async fn tag(engine: &Arc<Engine>, name: &str, params: &Params) -> ApiResult {
    find(engine, name)?;
    let reference = reference(params.text("repo"), params.text("tag"))?.ok_or_else(|| {
        ApiError::invalid("invalid reference format: repository name must not be empty")
    })?;
    let store = Arc::clone(&engine.images);
    let (text, target) = (name.to_owned(), reference.clone());
    let tagged = blocking(move || store.tag_like(&text, &target).map_err(|e| failure(&e)));
    let image = tagged.await?;
    announce(
        engine,
        "tag",
        &image,
        &reference.with_default_tag().familiar(),
    );
    Ok(Response::builder()
        .status(StatusCode::CREATED)
        .body(().into())
        .expect("no headers"))
}

/// The image a client means.
pub(super) fn find(engine: &Engine, name: &str) -> Result<Arc<Image>, ApiError> {
    engine.images.find(name).map_err(|error| failure(&error))
}

/// The image a client means, for a platform.
fn find_for(
    engine: &Engine,
    name: &str,
    platform: Option<&Platform>,
) -> Result<Arc<Image>, ApiError> {
    let found = engine.images.find_for(name, platform);
    found.map_err(|error| failure(&error))
}

/// `repo` and `tag` of a query; none if there is no `repo`.
pub(super) fn reference(repo: &str, tag: &str) -> Result<Option<ImageRef>, ApiError> {
    if repo.is_empty() {
        return Ok(None);
    }
    let invalid = |error: &gantry_ids::ReferenceError| ApiError::invalid(chain(error).to_string());
    let reference: ImageRef = repo.parse().map_err(|e| invalid(&e))?;
    if tag.is_empty() {
        return Ok(Some(reference.with_default_tag()));
    }
    reference.with_tag(tag).map(Some).map_err(|e| invalid(&e))
}

/// Publishes an event of an image; its labels are among the attributes, as in dockerd.
pub(super) fn announce(engine: &Engine, action: &str, image: &Image, name: &str) {
    let labels = image.config.run().labels.clone();
    let attributes = labels
        .into_iter()
        .chain([("name".to_owned(), name.to_owned())]);
    engine
        .events
        .publish(EventKind::Image, action, &image.id.to_string(), attributes);
}

/// Publishes an event of a transfer, which dockerd names by the reference.
fn announce_reference(engine: &Engine, action: &str, reference: &str) {
    let image = engine.images.find(reference).ok();
    let labels = image.map(|image| image.config.run().labels.clone());
    let name = reference
        .parse::<ImageRef>()
        .map_or_else(|_| reference.to_owned(), |known| known.familiar_name());
    let attributes = labels
        .unwrap_or_default()
        .into_iter()
        .chain([("name".to_owned(), name)]);
    engine
        .events
        .publish(EventKind::Image, action, reference, attributes);
}

/// An image's error as an answer.
pub(super) fn failure(error: &ImageError) -> ApiError {
    ApiError::new(error.kind(), chain(error).to_string())
}

/// The same for what needs room: on a full disk it says what would make some. To be called off the async
/// threads.
pub(super) fn failure_to_add(engine: &Engine, error: &ImageError) -> ApiError {
    advised(engine, failure(error))
}

/// An error with what would make room, if room is what is missing. To be called off the async threads.
pub(in crate::edge::http) fn advised(engine: &Engine, told: ApiError) -> ApiError {
    if told.kind() != ErrorKind::ResourceExhausted {
        return told;
    }
    let advice = crate::space::advice(engine);
    ApiError::new(told.kind(), format!("{}: {advice}", told.message()))
}
