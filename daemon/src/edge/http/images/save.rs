//! `GET /images/get` and `GET /images/{name}/get`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_errors::chain;
use gantry_image::Packing;
use http::header;

use super::{announce, failure, packing, platform};
use crate::edge::http::blocking::tar_stream;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::engine::Engine;

/// The images that the query names.
pub(super) async fn several(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult {
    save(&engine, params.all("names"), &params)
}

/// Streams the images as one archive.
pub(super) fn save(engine: &Arc<Engine>, names: &[String], params: &Params) -> ApiResult {
    let platform = platform::asked(params)?;
    let packing = packing(params)?.unwrap_or(Packing::None);
    let images = engine
        .images
        .to_save(names, platform.as_ref())
        .map_err(|error| failure(&error))?;
    let engine = Arc::clone(engine);
    let body = tar_stream(move |to| {
        let saved = engine.images.save_packed(&images, packing, to);
        saved.map_err(|error| chain(&error).to_string())?;
        for saved in &images {
            announce(&engine, "save", &saved.image, &saved.id().to_string());
        }
        Ok(())
    });
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/x-tar")
        .body(body)
        .expect("the header is valid"))
}
