//! `POST /images/create?fromSrc=URL`: import of a root filesystem that lies somewhere else.

use std::sync::Arc;

use axum::body::Body;
use futures_util::stream;
use gantry_engine_api::progress::{ProgressDetail, ProgressMessage};
use gantry_image::Stop;
use gantry_registry::Download;
use url::Url;

use super::archive::{imported, request_of};
use super::words::bar;
use crate::edge::http::blocking::{BodyReader, progress};
use crate::edge::http::client::Client;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::registry;
use crate::engine::Engine;

/// Fetches and imports. What is at the address is asked for before the answer begins.
pub(super) async fn import(
    engine: Arc<Engine>,
    params: &Params,
    client: Client,
    source: &str,
) -> ApiResult {
    let url = address(source)?;
    let import = request_of(params, source)?;
    let registries = engine.transfers.registries();
    let download = registries.download(&url).await;
    let download = download.map_err(|error| registry::refused(&error))?;
    let length = download.length().unwrap_or(0);
    let stop = Stop::default();
    let mut rootfs = stop.watch(BodyReader::new(body(download)));
    progress((client, stop), move |progress| {
        progress.tell(ProgressMessage::status(format!("Downloading from {url}")));
        let detail = |current| ProgressMessage {
            status: "Importing".to_owned(),
            progress: bar(current, length),
            progress_detail: Some(ProgressDetail {
                current: super::wire::signed(current),
                total: super::wire::signed(length),
            }),
            ..ProgressMessage::default()
        };
        let mut told = Told {
            inner: &mut rootfs,
            read: 0,
            said: None,
            tell: &mut |current| progress.tell(detail(current)),
        };
        imported(&engine, &mut told, &import, progress)
    })
    .await
}

/// The address that a source is; `http` if it does not say.
fn address(source: &str) -> Result<Url, ApiError> {
    let invalid = |error: url::ParseError| ApiError::invalid(format!("{source}: {error}"));
    let whole = match source.contains("://") {
        true => source.to_owned(),
        false => format!("http://{source}"),
    };
    whole.parse().map_err(invalid)
}

fn body(download: Download) -> Body {
    Body::from_stream(stream::try_unfold(download, |mut download| async move {
        let piece = download.chunk().await?;
        Ok::<_, gantry_registry::RegistryError>(piece.map(|piece| (piece, download)))
    }))
}

/// How often it is told how far it is.
const INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);

/// Says how much was read.
struct Told<'a, R> {
    inner: &'a mut R,
    read: u64,
    said: Option<std::time::Instant>,
    tell: &'a mut (dyn FnMut(u64) + Send),
}

impl<R: std::io::Read> std::io::Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read += length as u64;
        let is_end = length == 0 && !buffer.is_empty();
        if is_end || self.said.is_none_or(|at| at.elapsed() >= INTERVAL) {
            self.said = Some(std::time::Instant::now());
            (self.tell)(self.read);
        }
        Ok(length)
    }
}
