//! `POST /images/load` and `POST /images/create` (import; pulling and fetching are next door).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use gantry_engine_api::progress::{ProgressDetail, ProgressMessage};
use gantry_image::{ImportRequest, LoadEvent, Stop};

use super::{announce, failure_to_add, fetched, platform, pull, reference, wire};
use crate::edge::http::blocking::{BodyReader, Progress, progress};
use crate::edge::http::client::Client;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::engine::Engine;

/// How often a layer's progress is told.
const INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn load(
    State(engine): State<Arc<Engine>>,
    params: Params,
    client: Client,
    request: Request,
) -> ApiResult {
    let quiet = params.flag("quiet");
    let platform = platform::asked(&params)?;
    let stop = Stop::default();
    let mut archive = stop.watch(BodyReader::new(request.into_body()));
    progress((client, stop), move |progress| {
        let mut told = Told::default();
        let mut tell = |event: LoadEvent| told.tell(progress, quiet, &event);
        let loaded = engine
            .images
            .load_for(&mut archive, platform.as_ref(), &mut tell);
        let loaded = match loaded {
            Ok(loaded) => loaded,
            // dockerd begins its answer before it looks at the archive: what is wrong with one is told in the stream.
            Err(error) => {
                let told = failure_to_add(&engine, &error);
                progress.tell(ProgressMessage::failure(told.message()));
                return Ok(());
            }
        };
        for loaded in loaded {
            if let Some(image) = engine.images.get(&loaded.id) {
                announce(&engine, "load", &image, &loaded.id.to_string());
            }
            progress.tell(ProgressMessage::stream(format!("{}\n", loaded.message())));
        }
        Ok(())
    })
    .await
}

/// What was told last, so that a client is not drowned.
#[derive(Default)]
struct Told {
    layer: String,
    at: Option<Instant>,
}

impl Told {
    fn tell(&mut self, progress: &Progress, quiet: bool, event: &LoadEvent) {
        match event {
            LoadEvent::Layer {
                id,
                current_bytes,
                total_bytes,
            } => {
                let done = current_bytes >= total_bytes;
                let recent = self.layer == *id && self.at.is_some_and(|at| at.elapsed() < INTERVAL);
                if quiet || (recent && !done) {
                    return;
                }
                self.layer.clone_from(id);
                self.at = Some(Instant::now());
                let detail = ProgressDetail {
                    current: wire::signed(*current_bytes),
                    total: wire::signed(*total_bytes),
                };
                progress.tell(ProgressMessage::layer(id, "Loading layer", detail));
            }
            LoadEvent::Renamed { reference, old } => {
                let name = reference.familiar();
                progress.tell(ProgressMessage::stream(format!(
                    "The image {name} already exists, renaming the old one with ID {old} to empty \
                     string\n"
                )));
            }
        }
    }
}

/// Import, if `fromSrc` says so.
pub(super) async fn create(
    State(engine): State<Arc<Engine>>,
    params: Params,
    client: Client,
    request: Request,
) -> ApiResult {
    match (params.get("fromImage"), params.get("fromSrc")) {
        (Some(image), _) if !image.is_empty() => {
            pull::pull(engine, &params, request.headers(), client).await
        }
        (_, Some("-")) => import(engine, &params, client, request).await,
        (_, Some(source)) if !source.is_empty() => {
            fetched::import(engine, &params, client, source).await
        }
        _ => Err(ApiError::invalid(
            "either fromImage or fromSrc must be given",
        )),
    }
}

async fn import(
    engine: Arc<Engine>,
    params: &Params,
    client: Client,
    request: Request,
) -> ApiResult {
    let import = request_of(params, "-")?;
    let stop = Stop::default();
    let mut rootfs = stop.watch(BodyReader::new(request.into_body()));
    progress((client, stop), move |progress| {
        imported(&engine, &mut rootfs, &import, progress)
    })
    .await
}

/// What a query asks for, of a root filesystem from `source`.
pub(super) fn request_of(params: &Params, source: &str) -> Result<ImportRequest, ApiError> {
    let message = match params.text("message") {
        "" => format!("Imported from {source}"),
        message => message.to_owned(),
    };
    Ok(ImportRequest {
        reference: reference(params.text("repo"), params.text("tag"))?,
        changes: params.all("changes").to_vec(),
        message,
        platform: params
            .get("platform")
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
    })
}

/// Imports, and tells whom it concerns.
pub(super) fn imported(
    engine: &Engine,
    rootfs: &mut (dyn std::io::Read + Send),
    import: &ImportRequest,
    progress: &Progress,
) -> Result<(), ApiError> {
    let id = engine
        .images
        .import(rootfs, import)
        .map_err(|e| failure_to_add(engine, &e))?;
    if let Some(image) = engine.images.get(&id) {
        // In dockerd's order.
        if let Some(reference) = &import.reference {
            announce(engine, "tag", &image, &reference.familiar());
        }
        announce(engine, "import", &image, &id.to_string());
    }
    progress.tell(ProgressMessage::status(id.to_string()));
    Ok(())
}
