//! Routes under `/networks`: list and inspect here, coming and going in [`define`], who is on them in
//! [`membership`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use gantry_engine_api::network::{ConfigReference, Ipam, IpamConfig, Network, NetworkContainer};
use gantry_engine_api::{ApiVersion, Filters, List, Map};
use gantry_network::{EndpointInfo, NetworkInfo};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use super::error::{ApiError, ApiResult};
use super::extract::{Params, Version};
use super::json;
use crate::engine::Engine;

mod define;
mod membership;

/// The routes.
pub fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/networks", get(list))
        .route("/networks/create", post(define::create))
        .route("/networks/prune", post(define::prune))
        .route("/networks/{id}", get(inspect).delete(define::remove))
        .route("/networks/{id}/connect", post(membership::connect))
        .route("/networks/{id}/disconnect", post(membership::disconnect))
}

const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

async fn list(
    State(engine): State<Arc<Engine>>,
    Version(version): Version,
    params: Params,
) -> ApiResult {
    let filters = params.filters()?;
    filters.only(FILTERS).map_err(|e| ApiError::filter(&e))?;
    let dangling = filters.flag("dangling").map_err(|e| ApiError::filter(&e))?;
    if let Some(bad) = filters
        .get("type")
        .find(|kind| !matches!(*kind, "custom" | "builtin"))
    {
        let message = format!("invalid filter: 'type'='{bad}'");
        return Err(ApiError::invalid(message));
    }
    let networks = engine.containers.parts.networks.list();
    let networks = networks
        .iter()
        .filter(|network| wants(&filters, dangling, network));
    // Lists do not tell who is connected.
    let answer: Vec<_> = networks
        .map(|network| {
            let network = Network {
                containers: Map::empty(),
                ..describe(network)
            };
            gated(&network, version)
        })
        .collect();
    Ok(json(StatusCode::OK, &answer))
}

async fn inspect(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Version(version): Version,
    params: Params,
) -> ApiResult {
    if !matches!(params.text("scope"), "" | "local") {
        return Err(ApiError::not_found(format!("network {id} not found")));
    }
    let network = engine.containers.parts.networks.inspect(&id)?;
    Ok(json(StatusCode::OK, &gated(&describe(&network), version)))
}

fn wants(filters: &Filters, dangling: Option<bool>, network: &NetworkInfo) -> bool {
    let label = |key: &str| network.labels.get(key).map(String::as_str);
    let builtin = network.is_builtin();
    let unused = network.endpoints.is_empty() && !builtin;
    filters.allows("driver", &network.driver)
        && filters.allows("scope", "local")
        && filters.allows_by("name", |part| network.name.contains(part))
        && filters.allows_by("id", |part| network.id.as_str().contains(part))
        && filters.allows_by("type", |kind| (kind == "builtin") == builtin)
        && filters.allows_labels("label", label)
        && dangling.is_none_or(|dangling| dangling == unused)
}

fn describe(network: &NetworkInfo) -> Network {
    let created = Timestamp::try_from(network.created).unwrap_or_default();
    // As dockerd tells them: IPv4 first.
    let (four, six): (Vec<_>, Vec<_>) = network
        .ipam
        .iter()
        .partition(|subnet| subnet.subnet.addr().is_ipv4());
    let subnets = four.into_iter().chain(six).map(|subnet| IpamConfig {
        subnet: subnet.subnet.to_string(),
        ip_range: subnet
            .ip_range
            .map(|range| range.to_string())
            .unwrap_or_default(),
        gateway: subnet
            .gateway
            .map(|gateway| gateway.to_string())
            .unwrap_or_default(),
        auxiliary_addresses: subnet
            .reserved
            .iter()
            .map(|(name, address)| (name.clone(), address.to_string()))
            .collect(),
    });
    let config = if network.ipam.is_empty() {
        List::default()
    } else {
        subnets.collect()
    };
    Network {
        name: network.name.clone(),
        id: network.id.to_string(),
        created: created.to_string(),
        scope: "local".to_owned(),
        driver: network.driver.clone(),
        enable_ipv4: network.ipv4,
        enable_ipv6: network.ipv6,
        ipam: Ipam {
            driver: "default".to_owned(),
            options: network
                .ipam_options
                .clone()
                .map(Map::from)
                .unwrap_or_default(),
            config,
        },
        internal: network.internal,
        attachable: network.attachable,
        containers: network.endpoints.iter().map(container).collect(),
        config_only: network.config_only,
        config_from: ConfigReference {
            network: network.config_from.clone().unwrap_or_default(),
        },
        options: network.options.clone().into(),
        labels: network.labels.clone().into(),
        ..Network::default()
    }
}

fn container(endpoint: &EndpointInfo) -> (String, NetworkContainer) {
    let container = NetworkContainer {
        name: endpoint.name.clone(),
        endpoint_id: endpoint.endpoint.to_string(),
        mac_address: endpoint.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        ipv4_address: endpoint
            .ipv4
            .map(|address| address.to_string())
            .unwrap_or_default(),
        ipv6_address: endpoint
            .ipv6
            .map(|address| address.to_string())
            .unwrap_or_default(),
    };
    (endpoint.container.to_string(), container)
}

/// Takes out what clients of older versions do not know.
fn gated(network: &Network, version: ApiVersion) -> Value {
    let mut value = serde_json::to_value(network).expect("string keys only");
    if !version.at_least(47)
        && let Some(fields) = value.as_object_mut()
    {
        fields.remove("EnableIPv4");
    }
    value
}
