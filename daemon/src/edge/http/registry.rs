//! Registries without images of the store: `POST /auth`, `GET /distribution/{name}/json`, lists of manifests.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use gantry_errors::{Classify, chain};
use gantry_ids::ImageRef;
use gantry_registry::transfer::{Described, ListPart, PullRequest, PushRequest, PushedList};
use gantry_registry::{Credentials, Purpose, RegistryError};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::error::{ApiError, ApiResult};
use super::images::{credentials, transfer_failure};
use super::{json, not_built};
use crate::engine::Engine;

/// What docker calls its own registry in credentials.
const DOCKER_INDEX: &str = "https://index.docker.io/v1/";

/// The routes.
pub(super) fn routes() -> Router<Arc<Engine>> {
    Router::new()
        .route("/auth", post(log_in))
        .route("/distribution/{*rest}", get(distribution).post(push_list))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ServerAddress {
    serveraddress: Option<String>,
}

/// Tries credentials.
async fn log_in(State(engine): State<Arc<Engine>>, body: Bytes) -> ApiResult {
    let invalid =
        |error: &dyn std::fmt::Display| ApiError::invalid(format!("invalid JSON: {error}"));
    let address: ServerAddress = match body.trim_ascii().is_empty() {
        true => ServerAddress::default(),
        false => serde_json::from_slice(&body).map_err(|error| invalid(&error))?,
    };
    let credentials = Credentials::from_json(&body).map_err(|error| invalid(&error))?;
    let domain = domain_of(address.serveraddress.as_deref().unwrap_or_default());
    let registries = engine.transfers.registries();
    let endpoints = registries.endpoints(&domain, Purpose::Push).await;
    let mut last = RegistryError::Host(domain.clone());
    for endpoint in endpoints.map_err(|error| refused(&error))? {
        match registries.log_in(&endpoint, credentials.clone()).await {
            Ok(()) => {
                let answer = json!({"IdentityToken": "", "Status": "Login Succeeded"});
                return Ok(json(StatusCode::OK, &answer));
            }
            Err(error) if error.is_transport() => last = error,
            Err(RegistryError::Refused { status: 401, .. }) => {
                let base = &endpoint.base;
                let message =
                    format!("login attempt to {base} failed with status: 401 Unauthorized");
                return Err(ApiError::new(
                    // As dockerd does, where one would expect 401.
                    gantry_errors::ErrorKind::Internal,
                    message,
                ));
            }
            Err(error) => return Err(refused(&error)),
        }
    }
    Err(refused(&last))
}

/// A registry's error as an answer.
pub(super) fn refused(error: &RegistryError) -> ApiError {
    ApiError::new(error.kind(), chain(error).to_string())
}

/// The registry that an address means: a host, or a URL of which only the host counts.
fn domain_of(address: &str) -> String {
    if matches!(address, "" | DOCKER_INDEX | "index.docker.io" | "docker.io") {
        return "docker.io".to_owned();
    }
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    host.split('/').next().unwrap_or_default().to_owned()
}

/// What a reference stands for in its registry.
async fn distribution(
    State(engine): State<Arc<Engine>>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> ApiResult {
    let Some((name, what @ ("json" | "manifests"))) = rest.rsplit_once('/') else {
        let path = format!("/distribution/{rest}");
        return Err(not_built::refusal(&Method::GET, &path));
    };
    let request = PullRequest {
        reference: reference(name)?.with_default_tag(),
        platform: None,
        credentials: credentials(&headers),
    };
    if what == "manifests" {
        return manifests(&engine, &request).await;
    }
    let described = engine.transfers.describe(&request).await;
    let described = described.map_err(|error| transfer_failure(&error))?;
    Ok(json(StatusCode::OK, &answer(&described)))
}

/// What Docker lacks: the documents behind a reference, as text (`gantry manifest inspect`).
async fn manifests(engine: &Engine, request: &PullRequest) -> ApiResult {
    let documents = engine.transfers.documents(request).await;
    let documents = documents.map_err(|error| transfer_failure(&error))?;
    let all = documents.iter().map(|document| {
        json!({
            "Descriptor": document.descriptor,
            "Raw": String::from_utf8_lossy(&document.bytes),
        })
    });
    Ok(json(StatusCode::OK, &all.collect::<Vec<_>>()))
}

/// A list that a client has written, and the manifests it is made of.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewList {
    parts: Vec<NewPart>,
    media_type: String,
    list: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewPart {
    from: String,
    media_type: String,
    raw: String,
}

/// What Docker lacks: pushes a list of manifests that the registry has (`gantry manifest push`).
async fn push_list(
    State(engine): State<Arc<Engine>>,
    Path(rest): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult {
    let Some((name, "list")) = rest.rsplit_once('/') else {
        let path = format!("/distribution/{rest}");
        return Err(not_built::refusal(&Method::POST, &path));
    };
    let list: NewList = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(format!("invalid JSON: {error}")))?;
    let parts = list.parts.into_iter().map(|part| {
        Ok(ListPart {
            from: reference(&part.from)?,
            media_type: part.media_type,
            bytes: part.raw.into(),
        })
    });
    let request = PushRequest {
        reference: reference(name)?.with_default_tag(),
        platform: None,
        packing: None,
        credentials: credentials(&headers),
    };
    let list = PushedList {
        parts: parts.collect::<Result<_, ApiError>>()?,
        media_type: list.media_type,
        bytes: list.list.into(),
    };
    let pushed = engine.transfers.push_list(&request, list).await;
    let (pushed, digest) = pushed.map_err(|error| transfer_failure(&error))?;
    Ok(json(
        StatusCode::OK,
        &json!({"Pushed": pushed, "Digest": digest}),
    ))
}

fn reference(text: &str) -> Result<ImageRef, ApiError> {
    text.parse()
        .map_err(|error: gantry_ids::ReferenceError| ApiError::invalid(chain(&error).to_string()))
}

fn answer(described: &Described) -> serde_json::Value {
    json!({
        "Descriptor": {
            "mediaType": described.media_type,
            "digest": described.digest,
            "size": described.size_bytes,
        },
        "Platforms": described.platforms,
    })
}

#[cfg(test)]
mod tests {
    use super::domain_of;

    #[test]
    fn addresses_of_registries() {
        for (address, domain) in [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("https://reg.example/v2/", "reg.example"),
        ] {
            assert_eq!(domain_of(address), domain);
        }
    }
}
