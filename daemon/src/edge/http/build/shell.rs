//! `onfail=shell`: a client enters the place of a failed program (ADR 52).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::response::Response;
use gantry_build::{Cancel, OnFail, Run};
use gantry_engine_api::build::BuildEvent;
use http::StatusCode;

use super::events;
use crate::container::program::{Programs, Visitor};
use crate::edge::http::blocking::Progress;
use crate::edge::http::containers::size;
use crate::edge::http::error::ApiResult;
use crate::edge::http::extract::{Params, Version};
use crate::edge::http::hijack::{Hijack, StreamKind};
use crate::engine::Engine;

/// Tells a client of places, one after the other.
pub(super) struct Places {
    programs: Arc<Programs>,
    client: Progress,
    /// Held while one is entered: there is one terminal.
    turn: Mutex<()>,
}

impl Places {
    pub(super) fn new(engine: &Engine, client: &Progress) -> Self {
        Self {
            programs: Arc::clone(engine.builds.programs()),
            client: client.clone(),
            turn: Mutex::new(()),
        }
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Places").finish_non_exhaustive()
    }
}

impl OnFail for Places {
    fn failed(&self, run: &Run<'_>, cancel: &Cancel) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Another stage failed first: its shell has ended, and with it the build.
        if cancel.is_cancelled() {
            return;
        }
        let announce = |id: &str| {
            let id = id.to_owned();
            self.client.tell(events::message(&BuildEvent::Shell { id }));
        };
        self.programs.hold(run, &announce, cancel);
    }
}

/// `POST /build/shell/{id}`: the client's terminal.
pub(super) async fn enter(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    Version(version): Version,
    hijack: Hijack,
) -> ApiResult<Response> {
    let place = engine.builds.programs().enter(&id)?;
    let (response, pending) = hijack.accept(StreamKind::Raw.content_type(version))?;
    tokio::spawn(async move {
        if let Ok(client) = pending.stream().await {
            let visitor = Visitor {
                socket: client.socket,
                prefix: client.prefix.to_vec(),
            };
            // The build may have ended meanwhile: the client's stream does then.
            drop(place.send(visitor));
        }
    });
    Ok(response)
}

/// `POST /build/shell/{id}/resize`: the size of that terminal.
pub(super) async fn resize(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<StatusCode> {
    let programs = engine.builds.programs();
    programs.resize(&id, size(&params)?).await?;
    Ok(StatusCode::OK)
}
