//! `DELETE /images/{name}` and `POST /images/prune`.

use std::sync::Arc;

use axum::extract::{Path, State};
use gantry_engine_api::List;
use gantry_engine_api::image::{ImageDeleteItem, ImagesPruned};
use gantry_image::{PruneFilter, RemoveOptions, Removed};
use http::StatusCode;

use super::failure;
use crate::edge::http::blocking::blocking;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::edge::http::time::parse_age;
use crate::engine::Engine;
use crate::events::{EventKind, images};

pub(super) async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> ApiResult {
    let options = RemoveOptions {
        force: params.flag("force"),
        keep_parents: params.flag("noprune"),
    };
    let removed = blocking(move || {
        let labels = images::labels(&engine.images);
        let used_by = |image: &_| engine.census.users_of_image(image);
        let removed = engine.images.remove(&name, options, &used_by);
        let removed = removed.map_err(|error| failure(&error))?;
        images::removed(&engine.events, &removed, &labels);
        Ok(removed)
    });
    Ok(json(
        StatusCode::OK,
        &removed.await?.iter().map(item).collect::<Vec<_>>(),
    ))
}

pub(super) async fn prune(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult {
    let filter = prune_filter(&params)?;
    let report = blocking(move || {
        let labels = images::labels(&engine.images);
        let used_by = |image: &_| engine.census.users_of_image(image);
        let report = engine
            .images
            .prune(&filter, &used_by)
            .map_err(|error| failure(&error))?;
        images::removed(&engine.events, &report.removed, &labels);
        let reclaimed = ("reclaimed".to_owned(), report.reclaimed_bytes.to_string());
        engine
            .events
            .publish(EventKind::Image, "prune", "", [reclaimed]);
        Ok(report)
    });
    let report = report.await?;
    let images_deleted = match report.removed.is_empty() {
        true => List::default(),
        false => report.removed.iter().map(item).collect(),
    };
    let answer = ImagesPruned {
        images_deleted,
        space_reclaimed: report.reclaimed_bytes,
    };
    Ok(json(StatusCode::OK, &answer))
}

fn prune_filter(params: &Params) -> Result<PruneFilter, ApiError> {
    let filters = params.filters()?;
    let invalid = |error: &_| ApiError::filter(error);
    filters
        .only(&["dangling", "label", "label!", "until"])
        .map_err(|e| invalid(&e))?;
    let dangling = filters
        .flag("dangling")
        .map_err(|e| invalid(&e))?
        .unwrap_or(true);
    let until = filters
        .get("until")
        .next()
        .map(|text| {
            let wrong = "failed to parse value as time or duration";
            parse_age("until", text).map_err(|_| ApiError::invalid(format!("{wrong}: {text:?}")))
        })
        .transpose()?;
    let labels = |name: &str| {
        let split = |label: &str| match label.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (label.to_owned(), None),
        };
        filters.get(name).map(split).collect()
    };
    Ok(PruneFilter {
        all: !dangling,
        until_s: until.map(|moment| moment.as_ns().div_euclid(1_000_000_000)),
        labels: labels("label"),
        not_labels: labels("label!"),
        among: Vec::new(),
    })
}

fn item(removed: &Removed) -> ImageDeleteItem {
    let deleted = |text: String| ImageDeleteItem {
        deleted: text,
        ..ImageDeleteItem::default()
    };
    match removed {
        Removed::Untagged { reference, .. } => ImageDeleteItem {
            untagged: reference.familiar(),
            ..ImageDeleteItem::default()
        },
        Removed::Image(id) => deleted(id.to_string()),
        Removed::Layer(chain) => deleted(chain.to_string()),
    }
}
