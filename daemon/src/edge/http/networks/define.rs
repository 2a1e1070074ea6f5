//! `POST /networks/create`, `DELETE /networks/{id}`, `POST /networks/prune`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_engine_api::network::{
    IpamConfig, NetworkCreateRequest, NetworkCreateResponse, NetworksPruned,
};
use gantry_engine_api::{Filters, List};
use gantry_errors::ErrorKind;
use gantry_network::{NetworkInfo, NetworkRequest, SubnetRequest, is_builtin};
use http::StatusCode;

use crate::edge::http::blocking::blocking;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{ApiJson, Params};
use crate::edge::http::time::{Moment, parse_age};
use crate::edge::http::{json, no_content};
use crate::engine::Engine;
use crate::events::EventKind;

pub(super) async fn create(
    State(engine): State<Arc<Engine>>,
    ApiJson(body): ApiJson<NetworkCreateRequest>,
) -> ApiResult {
    refuse_swarm(&body)?;
    let mut request = request(&body);
    let driver = match request.driver.as_str() {
        "" => "bridge",
        driver => driver,
    };
    let config = engine.config();
    let defaults = config.network.default_options.get(driver);
    let applies = request.config_from.is_none() && !request.config_only;
    for (key, value) in defaults.into_iter().flatten().filter(|_| applies) {
        let option = request.options.entry(key.clone());
        option.or_insert_with(|| value.clone());
    }
    let networks = Arc::clone(&engine.containers.parts.networks);
    let made = blocking(move || Ok(networks.create(&request)?)).await?;
    announce(&engine, "create", &made);
    let answer = NetworkCreateResponse {
        id: made.id.to_string(),
        warning: String::new(),
    };
    Ok(json(StatusCode::CREATED, &answer))
}

/// What belongs to a swarm.
fn refuse_swarm(body: &NetworkCreateRequest) -> Result<(), ApiError> {
    let forbidden = |text: &str| Err(ApiError::new(ErrorKind::PermissionDenied, text));
    if body.name.trim().is_empty() || is_builtin(&body.name) {
        return Ok(());
    }
    if body.scope == "swarm" {
        return forbidden("cannot create a swarm scoped network when swarm is not active");
    }
    if body.ingress {
        return forbidden("Ingress network can only be global scope network");
    }
    Ok(())
}

fn request(body: &NetworkCreateRequest) -> NetworkRequest {
    let ipam = body.ipam.clone().unwrap_or_default();
    NetworkRequest {
        name: body.name.clone(),
        driver: body.driver.clone(),
        ipv4: body.enable_ipv4.unwrap_or(true),
        ipv6: body.enable_ipv6.unwrap_or(false),
        internal: body.internal,
        attachable: body.attachable,
        ipam_driver: ipam.driver,
        ipam_options: (!ipam.options.is_nil()).then(|| ipam.options.into_inner()),
        subnets: ipam.config.iter().map(subnet).collect(),
        options: body.options.clone().into_inner(),
        labels: body.labels.clone().into_inner(),
        config_only: body.config_only,
        config_from: body
            .config_from
            .as_ref()
            .map(|from| from.network.clone())
            .filter(|from| !from.is_empty()),
    }
}

fn subnet(config: &IpamConfig) -> SubnetRequest {
    SubnetRequest {
        subnet: config.subnet.clone(),
        ip_range: config.ip_range.clone(),
        gateway: config.gateway.clone(),
        reserved: config.auxiliary_addresses.clone().into_inner(),
    }
}

pub(super) async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    remove_one(&engine, id).await?;
    Ok(no_content())
}

async fn remove_one(engine: &Arc<Engine>, id: String) -> Result<NetworkInfo, ApiError> {
    let networks = Arc::clone(&engine.containers.parts.networks);
    let removed = blocking(move || Ok(networks.remove(&id)?)).await?;
    announce(engine, "destroy", &removed);
    Ok(removed)
}

/// Removes the networks of one's own that no container uses, running or not.
pub(super) async fn prune(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult {
    let filters = params.filters()?;
    filters
        .only(&["until", "label", "label!"])
        .map_err(|e| ApiError::filter(&e))?;
    let until = until(&filters)?;
    let used = engine.containers.networks_in_use();
    let mut deleted = List::default();
    for network in engine.containers.parts.networks.list() {
        if network.is_builtin()
            || used.contains(&network.name)
            || used.contains(network.id.as_str())
            || !prunes(&filters, until, &network)
        {
            continue;
        }
        // One that is used in the meantime stays.
        if remove_one(&engine, network.id.to_string()).await.is_ok() {
            deleted.push(network.name);
        }
    }
    let reclaimed = [("reclaimed".to_owned(), "0".to_owned())];
    engine
        .events
        .publish(EventKind::Network, "prune", "", reclaimed);
    let answer = NetworksPruned {
        networks_deleted: deleted,
    };
    Ok(json(StatusCode::OK, &answer))
}

fn until(filters: &Filters) -> Result<Option<Moment>, ApiError> {
    let Some(text) = filters.get("until").next() else {
        return Ok(None);
    };
    parse_age("until", text).map(Some).map_err(|_| {
        ApiError::invalid(format!(
            "failed to parse value as time or duration: {text:?}"
        ))
    })
}

fn prunes(filters: &Filters, until: Option<Moment>, network: &NetworkInfo) -> bool {
    let label = |key: &str| network.labels.get(key).map(String::as_str);
    let kept = filters.contains("label!") && filters.allows_labels("label!", label);
    let created = jiff::Timestamp::try_from(network.created).unwrap_or_default();
    let young = until.is_some_and(|until| created.as_nanosecond() >= i128::from(until.as_ns()));
    !kept && !young && filters.allows_labels("label", label)
}

fn announce(engine: &Engine, action: &str, network: &NetworkInfo) {
    let attributes = [("name", &network.name), ("type", &network.driver)];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.clone()));
    engine
        .events
        .publish(EventKind::Network, action, network.id.as_str(), attributes);
}
