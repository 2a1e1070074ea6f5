//! Routes under `/volumes`.

mod content;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use gantry_engine_api::volume::{VolumeCreateRequest, VolumeList, VolumesPruned};
use gantry_engine_api::{List, volume::Volume};
use gantry_errors::ErrorKind;
use http::StatusCode;

use super::error::{ApiError, ApiResult};
use super::extract::{OptionalJson, Params, Version};
use super::{json, no_content};
use crate::engine::Engine;
use crate::events::EventKind;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove))
        .route("/volumes/{name}/export", get(content::export))
        .route("/volumes/{name}/import", post(content::import))
        .route("/volumes/{name}/rename", post(content::rename))
}

async fn create(
    State(engine): State<Arc<Engine>>,
    OptionalJson(request): OptionalJson<VolumeCreateRequest>,
) -> ApiResult<Response> {
    if request.cluster_volume_spec.is_some() {
        return Err(ApiError::not_built("cluster volumes"));
    }
    let volumes = &engine.containers.parts.volumes;
    let labels = request
        .labels
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let made = volumes.ensure(
        &request.name,
        &request.driver,
        &request.driver_opts,
        &labels,
    );
    let (volume, _) = made.await?;
    Ok(json(StatusCode::CREATED, &volumes.to_api(&volume)))
}

async fn inspect(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
) -> ApiResult<Response> {
    let volumes = &engine.containers.parts.volumes;
    Ok(json(StatusCode::OK, &volumes.to_api(&*volumes.get(&name)?)))
}

async fn list(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult<Response> {
    let filters = params.filters()?;
    filters
        .only(&["dangling", "driver", "label", "name"])
        .map_err(|e| ApiError::filter(&e))?;
    let dangling = filters.flag("dangling").map_err(|e| ApiError::filter(&e))?;
    let volumes = &engine.containers.parts.volumes;
    let found: Vec<Volume> = volumes
        .list()
        .into_iter()
        .filter(|volume| filters.allows_by("name", |name| volume.name.as_str().contains(name)))
        .filter(|_| filters.allows("driver", "local"))
        .filter(|v| filters.allows_labels("label", |key| v.labels.get(key).map(String::as_str)))
        .filter(|volume| {
            let unused = || {
                engine
                    .containers
                    .users_of_volume(volume.name.as_str())
                    .is_empty()
            };
            dangling.is_none_or(|wanted| wanted == unused())
        })
        .map(|volume| volumes.to_api(&volume))
        .collect();
    let answer = VolumeList {
        volumes: found.into(),
        warnings: List::default(),
    };
    Ok(json(StatusCode::OK, &answer))
}

async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let users = engine.containers.users_of_volume(&name);
    match engine
        .containers
        .parts
        .volumes
        .remove(&name, &users)
        .await
        .map_err(ApiError::from)
    {
        // Force makes a missing volume no error.
        Err(error) if params.flag("force") && error.kind() == ErrorKind::NotFound => {}
        other => other?,
    }
    Ok(no_content())
}

/// Removes unused volumes: only anonymous ones unless `all` says otherwise (and before 1.42).
async fn prune(
    State(engine): State<Arc<Engine>>,
    Version(version): Version,
    params: Params,
) -> ApiResult<Response> {
    let filters = params.filters()?;
    filters
        .only(&["all", "label", "label!"])
        .map_err(|e| ApiError::filter(&e))?;
    let all = filters
        .flag("all")
        .map_err(|e| ApiError::filter(&e))?
        .unwrap_or(!version.at_least(42));
    let volumes = &engine.containers.parts.volumes;
    let mut pruned = VolumesPruned {
        volumes_deleted: List::empty(),
        ..VolumesPruned::default()
    };
    let usage = crate::census::Census::volumes_usage(&engine.containers);
    for volume in volumes.list() {
        let name = volume.name.as_str();
        let label = |key: &str| volume.labels.get(key).map(String::as_str);
        let kept = filters.contains("label!") && filters.allows_labels("label!", label);
        let wanted = (all || volume.anonymous) && !kept && filters.allows_labels("label", label);
        if !wanted || !engine.containers.users_of_volume(name).is_empty() {
            continue;
        }
        if volumes.remove(name, &[]).await.is_ok() {
            let size = usage
                .iter()
                .find(|v| v.name == name)
                .and_then(|v| v.usage_data.as_ref());
            pruned.space_reclaimed += size.map_or(0, |u| u64::try_from(u.size).unwrap_or(0));
            pruned.volumes_deleted.push(name.to_owned());
        }
    }
    let reclaimed = ("reclaimed".to_owned(), pruned.space_reclaimed.to_string());
    engine
        .events
        .publish(EventKind::Volume, "prune", "", [reclaimed]);
    Ok(json(StatusCode::OK, &pruned))
}
