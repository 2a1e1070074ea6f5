//! What Docker lacks: `GET /images/{name}/explain`, and the layers of listed images (`layers=1`).

use std::sync::Arc;

use gantry_image::{ExplainedLayer, Image};
use gantry_layer::LayerStore;
use http::StatusCode;
use serde_json::{Value, json};

use super::{failure, find_for, platform};
use crate::edge::http::blocking::blocking;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn explain(engine: &Arc<Engine>, name: &str, params: &Params) -> ApiResult {
    let image = find_for(engine, name, platform::asked(params)?.as_ref())?;
    let (store, wanted) = (Arc::clone(&engine.images), Arc::clone(&image));
    let layers = blocking(move || store.explain(&wanted).map_err(|error| failure(&error))).await?;
    let wasted: u64 = layers.iter().map(|layer| layer.wasted_bytes).sum();
    let answer = json!({
        "Id": image.id,
        "Size": image.size_bytes,
        "Wasted": wasted,
        "Layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    Ok(json(StatusCode::OK, &answer))
}

fn layer(layer: &ExplainedLayer) -> Value {
    let waste = layer.waste.iter().map(
        |waste| json!({"Path": waste.path, "Size": waste.size_bytes, "HiddenBy": waste.hidden_by}),
    );
    json!({
        "Chain": layer.chain,
        "CreatedBy": layer.created_by,
        "Size": layer.size_bytes,
        "Files": layer.files,
        "Wasted": layer.wasted_bytes,
        "Waste": waste.collect::<Vec<_>>(),
        "SharedWith": layer.shared_with,
    })
}

/// The layers of an image, the lowest first.
pub(super) fn layers(engine: &Engine, image: &Image) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = image.config.chain();
    while let Some(layer) = next.and_then(|chain| engine.images.layers().get(&chain)) {
        found.push(json!({"Chain": layer.chain, "Size": layer.content_bytes}));
        next = layer.parent;
    }
    found.reverse();
    found
}
