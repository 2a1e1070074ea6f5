//! Gantry's own: `POST /volumes/{name}/rename`, `GET /volumes/{name}/export`, `POST /volumes/{name}/import`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use gantry_engine_api::Map;
use http::{StatusCode, header};

use crate::container::archive::{self, UnpackOptions};
use crate::edge::http::blocking::{BodyReader, blocking, tar_stream};
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::engine::Engine;
use crate::volume::VolumeError;

/// `name`: the new one.
pub(super) async fn rename(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let volumes = &engine.containers.parts.volumes;
    let users = engine.containers.users_of_volume(&name);
    let renamed = volumes.rename(&name, params.text("name"), &users).await?;
    Ok(json(StatusCode::OK, &volumes.to_api(&renamed)))
}

/// A tar of the volume, `./` first; one with a mount of its own is mounted meanwhile.
pub(super) async fn export(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
) -> ApiResult<Response> {
    let volumes = engine.containers.parts.volumes.clone();
    let record = volumes.get(&name)?;
    let held = {
        let volumes = volumes.clone();
        blocking(move || Ok(volumes.hold_for_a_while(&name)?)).await?
    };
    let body = tar_stream(move |to| {
        let packed = archive::pack_directory(&volumes.path(&record.name), to);
        drop(held);
        packed.map_err(|error| format!("export volume {}: {error}", record.name))
    });
    Ok(Response::builder()
        .header(header::CONTENT_TYPE, "application/x-tar")
        .body(body)
        .expect("the header is valid"))
}

/// Fills an empty volume with a tar, plain or compressed; makes the volume if it is not there, and then
/// leaves none behind where the tar is no good.
pub(super) async fn import(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> ApiResult<Response> {
    let volumes = engine.containers.parts.volumes.clone();
    let (options, labels) = (Map::default(), BTreeMap::new());
    let made = volumes.ensure(&name, "", &options, &labels);
    let (record, is_new) = made.await?;
    let mut users = engine.containers.users_of_volume(&name);
    users.retain(|id| {
        let user = engine.containers.find(id);
        user.is_ok_and(|handle| handle.record().life.counts_as_running())
    });
    if !users.is_empty() {
        return Err(ApiError::from(VolumeError::InUse {
            step: "import into",
            name,
            users: users.join(", "),
        }));
    }
    let body = BodyReader::new(request.into_body());
    let (all, filled) = (volumes.clone(), Arc::clone(&record));
    let filled = blocking(move || {
        let (_, content) =
            gantry_layer::decompress(body).map_err(|error| ApiError::invalid(error.to_string()))?;
        let options = UnpackOptions {
            own_root: true,
            ..UnpackOptions::default()
        };
        Ok(all.fill(&filled, |dir| archive::unpack_into(dir, content, options))?)
    });
    if let Err(error) = filled.await {
        if is_new {
            let users = engine.containers.users_of_volume(&name);
            // One that somebody took meanwhile stays, empty as it was.
            drop(volumes.remove(&name, &users).await);
        }
        return Err(error);
    }
    Ok(json(StatusCode::OK, &volumes.to_api(&record)))
}
