//! `POST /gantry/fsck`: whether all that is stored is what it should be. Of this engine alone.
//!
//! `repair=1` mends what can be mended. The answer is a [`gantry_image::FsckReport`] as JSON.

use std::sync::Arc;

use axum::extract::State;
use gantry_image::{ChainId, Finding, FsckRequest};
use http::StatusCode;

use crate::edge::http::blocking::blocking;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::Params;
use crate::edge::http::json;
use crate::engine::Engine;

pub(super) async fn check(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult {
    let repair = params.flag("repair");
    let report = blocking(move || {
        let running = |chain: &ChainId| engine.containers.running_on(chain);
        let request = FsckRequest {
            repair,
            running: &running,
        };
        let mut report = engine.images.fsck(&request)?;
        for (name, chain) in engine.containers.without_layers() {
            report.findings.push(Finding {
                kind: "container".to_owned(),
                id: name,
                problem: format!("its layer {chain} is missing"),
                repaired: false,
                advice: "pull its image again".to_owned(),
            });
        }
        Ok(report)
    });
    Ok(json(StatusCode::OK, &report.await?))
}
