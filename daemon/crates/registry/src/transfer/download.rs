//! Downloading one layer: the network on one side, hash and unpacking on the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_image::ImageStore;
use gantry_layer::{LayerStore, StagedLayer};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Transfers;
use super::arrival::{self, Feed};
use super::error::TransferError;
use super::job::{Phase, Work};
use super::layer::BlobReader;
use crate::client::Repository;
use crate::error::RegistryError;
use crate::manifest::Descriptor;
use crate::retry::Attempts;

/// Pieces between the two sides; a piece is what one read of the socket gave, 16 KiB to 400 KiB.
const PIECES_WAITING: usize = 16;
/// A connection slower than this for [`DRIP_WINDOW`] is given up.
const DRIP_BYTES: u64 = 16 << 10;
const DRIP_WINDOW: Duration = Duration::from_secs(60);
/// Received bytes that make up for earlier failures.
const GAIN_BYTES: u64 = 1 << 20;

/// Downloads, verifies and unpacks a layer. What was received stays if that is called off.
pub(super) async fn run(
    transfers: &Transfers,
    (repository, layer): (&Repository, &Descriptor),
    work: &Work,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<StagedLayer, TransferError> {
    let _permit = match permit {
        Some(permit) => Ok(permit),
        None => Arc::clone(&transfers.downloads).acquire_owned().await,
    };
    work.enter(Phase::Downloading);
    // A blob that was received in part, and spoilt, is fetched anew once.
    match once(transfers, repository, layer, work).await {
        Err(Spoilt::Resumed(error)) => {
            tracing::warn!(blob = %layer.digest, %error, "a partial download was spoilt: fetching anew");
            once(transfers, repository, layer, work).await
        }
        end => end,
    }
    .map_err(Spoilt::into_error)
}

/// A failure, and whether bytes of an earlier attempt took part in it.
enum Spoilt {
    Resumed(TransferError),
    Fresh(TransferError),
}

impl Spoilt {
    fn into_error(self) -> TransferError {
        match self {
            Self::Resumed(error) | Self::Fresh(error) => error,
        }
    }
}

async fn once(
    transfers: &Transfers,
    repository: &Repository,
    layer: &Descriptor,
    work: &Work,
) -> Result<StagedLayer, Spoilt> {
    let fresh = |error: TransferError| Spoilt::Fresh(error);
    let (images, digest, size) = (Arc::clone(&transfers.images), layer.digest, layer.size);
    // On a thread: it waits for one that is just being called off.
    let partial = tokio::task::spawn_blocking(move || images.partial(&digest, size)).await;
    let partial = partial.map_err(|_| fresh(TransferError::Thread))?;
    let partial = partial.map_err(|error| fresh(error.into()))?;
    let from = partial.length();
    let (sender, feed) = mpsc::channel(PIECES_WAITING);
    let ends = arrival::ends(partial, feed).map_err(|error| fresh(failed(error)));
    let (keeper, arriving) = ends?;
    let reader = BlobReader::new(arriving, work.clone());
    let (images, wanted) = (Arc::clone(&transfers.images), layer.clone());
    let keeping = tokio::task::spawn_blocking(move || keeper.keep());
    let unpacking = tokio::task::spawn_blocking(move || unpack(&images, reader, &wanted));
    let fetched = fetch(transfers, (repository, layer), from, (sender, work)).await;
    let unpacked = unpacking.await.unwrap_or(Err(TransferError::Thread));
    // It ends with the channel; what it failed with, its reader was told.
    drop(keeping.await);
    match (fetched, unpacked) {
        (_, Ok(staged)) => Ok(staged),
        // The other side's end is only what this one's failure led to.
        (Err(Stopped::Failed(error)), _) => Err(fresh(error.into())),
        (Ok(()) | Err(Stopped::Unpacking), Err(error)) => {
            transfers.images.forget_partial(&layer.digest);
            Err(if from > 0 {
                Spoilt::Resumed(error)
            } else {
                Spoilt::Fresh(error)
            })
        }
    }
}

/// The partial file could not be written or read.
fn failed(error: std::io::Error) -> TransferError {
    let step = gantry_layer::LayerError::Write(error);
    TransferError::from(gantry_image::ImageError::Layer(step))
}

/// Unpacks a blob and compares its digest; what was unpacked of another blob is dropped.
fn unpack(
    images: &ImageStore,
    mut reader: BlobReader,
    layer: &Descriptor,
) -> Result<StagedLayer, TransferError> {
    let staged = images.layers().stage(&mut reader);
    let staged = match staged {
        Ok(staged) => staged,
        Err(error) => {
            // A lying registry is named as such, if all of the blob can be had.
            let lied = reader
                .finish()
                .is_ok_and(|(digest, _)| digest != layer.digest);
            return Err(match lied {
                true => RegistryError::Verification(layer.digest).into(),
                false => gantry_image::ImageError::from(error).into(),
            });
        }
    };
    let (digest, found) = reader.finish().map_err(failed)?;
    if found != layer.size {
        let (digest, expected) = (layer.digest, layer.size);
        let error = RegistryError::Size {
            digest,
            expected,
            found,
        };
        return Err(error.into());
    }
    if digest != layer.digest {
        return Err(RegistryError::Verification(layer.digest).into());
    }
    Ok(staged)
}

/// Why fetching ended early.
enum Stopped {
    /// The registry or the network.
    Failed(RegistryError),
    /// The other side does not want any more: it knows why.
    Unpacking,
}

impl From<RegistryError> for Stopped {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

/// Feeds the blob from the byte `from` on, going on where a connection broke.
async fn fetch(
    transfers: &Transfers,
    (repository, layer): (&Repository, &Descriptor),
    from: u64,
    (feed, work): (mpsc::Sender<Feed>, &Work),
) -> Result<(), Stopped> {
    let mut attempts = Attempts::new(transfers.attempts);
    let mut at = from;
    work.received(at);
    while at < layer.size {
        let start = at;
        let end = fetch_once((repository, layer), &mut at, (&feed, work)).await;
        if at - start >= GAIN_BYTES {
            attempts.gained();
        }
        let error = match end {
            Ok(()) => continue,
            Err(Stopped::Failed(error)) if error.is_temporary() => error,
            Err(stopped) => return Err(stopped),
        };
        let Some(pause) = attempts.failed(error.retry_after(), fastrand::f64()) else {
            return Err(error.into());
        };
        tracing::info!(blob = %layer.digest, %error, pause_ms = pause.as_millis(), "downloading again");
        work.enter(Phase::Retrying(pause.as_secs().max(1)));
        tokio::time::sleep(pause).await;
        work.received(at);
    }
    work.enter(Phase::Verifying);
    feed.send(Feed::End).await.map_err(|_| Stopped::Unpacking)
}

/// One connection's worth of a blob.
async fn fetch_once(
    (repository, layer): (&Repository, &Descriptor),
    at: &mut u64,
    (feed, work): (&mpsc::Sender<Feed>, &Work),
) -> Result<(), Stopped> {
    let mut answer = repository.blob(layer, *at).await?;
    // A registry that knows no ranges begins anew: what is here already is passed over.
    let mut skip = *at - answer.starts_at.min(*at);
    let (mut window_start, mut window_bytes) = (Instant::now(), 0);
    while let Some(mut bytes) = answer.chunk().await? {
        window_bytes += bytes.len() as u64;
        if window_start.elapsed() > DRIP_WINDOW {
            if window_bytes < DRIP_BYTES {
                return Err(answer.broken("the answer comes too slowly").into());
            }
            (window_start, window_bytes) = (Instant::now(), 0);
        }
        let passed = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
        bytes::Buf::advance(&mut bytes, passed);
        skip -= passed as u64;
        if bytes.is_empty() {
            continue;
        }
        let found = *at + bytes.len() as u64;
        if found > layer.size {
            let (digest, expected) = (layer.digest, layer.size);
            let error = RegistryError::Size {
                digest,
                expected,
                found,
            };
            return Err(error.into());
        }
        feed.send(Feed::Bytes(bytes))
            .await
            .map_err(|_| Stopped::Unpacking)?;
        *at = found;
        work.received(found);
    }
    if *at < layer.size {
        return Err(answer.broken("unexpected EOF").into());
    }
    Ok(())
}
