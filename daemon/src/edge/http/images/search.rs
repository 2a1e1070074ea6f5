//! `GET /images/search`.

use std::sync::Arc;

use axum::extract::State;
use gantry_registry::SearchHit;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::pull::credentials;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::{json, registry};
use crate::engine::Engine;

/// How many repositories are asked for unless a client says.
const DEFAULT_LIMIT: i64 = 25;
const FILTERS: &[&str] = &["is-automated", "is-official", "stars"];

pub(super) async fn search(
    State(engine): State<Arc<Engine>>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult {
    let wanted = Wanted::new(&params)?;
    let (domain, term) = index_of(params.text("term"))?;
    let registries = engine.transfers.registries();
    let found = registries
        .search((&domain, &term), wanted.limit, &credentials(&headers))
        .await
        .map_err(|error| registry::refused(&error))?;
    let found: Vec<Value> = found
        .iter()
        .filter(|hit| wanted.allows(hit))
        .map(wire)
        .collect();
    Ok(json(StatusCode::OK, &found))
}

/// What a client wants to see.
struct Wanted {
    limit: u32,
    stars: i64,
    is_official: Option<bool>,
    is_automated: Option<bool>,
}

impl Wanted {
    fn new(params: &Params) -> Result<Self, ApiError> {
        let filters = params.filters()?;
        filters
            .only(FILTERS)
            .map_err(|error| ApiError::filter(&error))?;
        let flag = |name: &str| filters.flag(name).map_err(|error| ApiError::filter(&error));
        let limit = match params.number("limit")?.unwrap_or(0) {
            0 => DEFAULT_LIMIT,
            limit => limit,
        };
        let outside =
            || ApiError::invalid(format!("limit {limit} is outside the range of [1, 100]"));
        if !(1..=100).contains(&limit) {
            return Err(outside());
        }
        let mut stars = 0;
        for text in filters.get("stars") {
            let wrong = || ApiError::filter(&filters.invalid("stars", text));
            stars = stars.max(text.parse().map_err(|_| wrong())?);
        }
        Ok(Self {
            limit: u32::try_from(limit).map_err(|_| outside())?,
            stars,
            is_official: flag("is-official")?,
            is_automated: flag("is-automated")?,
        })
    }

    /// Nothing is built automatically any more.
    fn allows(&self, hit: &SearchHit) -> bool {
        hit.star_count >= self.stars
            && self
                .is_official
                .is_none_or(|wanted| wanted == hit.is_official)
            && self.is_automated != Some(true)
    }
}

/// The index that a term means, and what is left of the term.
fn index_of(term: &str) -> Result<(String, String), ApiError> {
    if term.contains("://") {
        return Err(ApiError::invalid(format!(
            "invalid repository name: repository name ({term}) should not have a scheme"
        )));
    }
    let own = term
        .split_once('/')
        .filter(|(first, _)| first.contains(['.', ':']) || *first == "localhost");
    Ok(match own {
        Some(("docker.io" | "index.docker.io", rest)) => ("docker.io".to_owned(), official(rest)),
        Some((domain, rest)) => (domain.to_owned(), rest.to_owned()),
        None => ("docker.io".to_owned(), official(term)),
    })
}

/// The index knows its official repositories without their `library/`.
fn official(term: &str) -> String {
    term.strip_prefix("library/").unwrap_or(term).to_owned()
}

fn wire(hit: &SearchHit) -> Value {
    json!({
        "star_count": hit.star_count,
        "is_official": hit.is_official,
        "name": hit.name,
        "is_automated": false,
        "description": hit.description,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_lead_to_indexes() {
        for (term, domain, rest) in [
            ("box", "docker.io", "box"),
            ("library/box", "docker.io", "box"),
            ("me/box", "docker.io", "me/box"),
            ("docker.io/me/box", "docker.io", "me/box"),
            ("reg.example/me/box", "reg.example", "me/box"),
            ("127.0.0.1:5000/box", "127.0.0.1:5000", "box"),
        ] {
            let found = index_of(term).unwrap();
            assert_eq!(found, (domain.to_owned(), rest.to_owned()), "{term}");
        }
        assert!(index_of("http://x/box").is_err());
    }
}
