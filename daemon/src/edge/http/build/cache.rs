//! The build cache: `POST /build/prune`, and what `GET /system/df` says of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use gantry_build::PruneFilter;
use gantry_engine_api::List;
use gantry_ids::Digest;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::edge::http::blocking::blocking;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::json as answer;
use crate::edge::http::time::parse_age;
use crate::engine::Engine;
use crate::events::EventKind;

/// Filters that are honoured.
const UNTIL: &str = "until";

pub(super) async fn prune(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult {
    let filters = params.filters()?;
    filters
        .only(&[UNTIL])
        .map_err(|error| ApiError::filter(&error))?;
    let until = filters.get(UNTIL).next();
    let until = until.map(|text| parse_age(UNTIL, text)).transpose()?;
    let unused_since =
        until.and_then(|until| Timestamp::from_nanosecond(until.as_ns().into()).ok());
    let keep_bytes = ["reserved-space", "keep-storage"].into_iter();
    let keep_bytes = keep_bytes
        .filter_map(|name| params.number::<u64>(name).transpose())
        .next();
    let filter = PruneFilter {
        unused_since,
        keep_bytes: keep_bytes.transpose()?.unwrap_or(0),
        all: params.flag("all"),
    };
    let builds = Arc::clone(&engine.builds);
    let pruned = blocking(move || Ok(builds.solver.prune(&filter))).await?;
    let reclaimed = ("reclaimed".to_owned(), pruned.freed_bytes.to_string());
    engine
        .events
        .publish(EventKind::Builder, "prune", "", [reclaimed]);
    let keys: Vec<String> = pruned
        .keys
        .iter()
        .map(|key| key.hex()[..25].to_owned())
        .collect();
    let body = json!({
        "CachesDeleted": if keys.is_empty() { Value::Null } else { json!(keys) },
        "SpaceReclaimed": pruned.freed_bytes,
    });
    Ok(answer(StatusCode::OK, &body))
}

/// The cached results as `GET /system/df` tells them, with what each alone takes on the disk; one without
/// that shares its layer.
pub(in crate::edge::http) fn usage(engine: &Engine, own: &HashMap<Digest, u64>) -> List<Value> {
    let time = |ns: i64| {
        Timestamp::from_nanosecond(i128::from(ns))
            .unwrap_or_default()
            .to_string()
    };
    let kept = engine.builds.solver.kept();
    let each = kept.iter().map(|kept| {
        let record = &kept.record;
        let parents: Vec<String> = record
            .parent
            .iter()
            .map(|key| key.hex()[..25].to_owned())
            .collect();
        json!({
            "ID": kept.key.hex()[..25],
            "Parents": parents,
            "Type": "regular",
            "Description": record.description,
            "InUse": false,
            "Shared": record.chain.is_some() && !own.contains_key(&kept.key),
            "Size": own.get(&kept.key).copied().unwrap_or(record.size_bytes),
            "CreatedAt": time(record.created_ns),
            "LastUsedAt": time(record.used_ns),
            "UsageCount": record.uses,
        })
    });
    let list: Vec<Value> = each.collect();
    if list.is_empty() {
        List::empty()
    } else {
        list.into()
    }
}
