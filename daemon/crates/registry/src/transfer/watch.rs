//! Telling what happens to the layers of a pull.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_image::BlobId;
use tokio::sync::oneshot;

use super::error::TransferError;
use super::event::{Event, Events, LayerEvent};
use super::job::{Job, Phase};
use super::pinned::Pinned;

/// How often a layer's progress is told.
const INTERVAL: Duration = Duration::from_millis(100);

/// What is to be done for a layer.
pub(super) enum Wanted {
    /// Nothing: it lies where it should.
    Here,
    /// It is here on top of something else: it is copied.
    Elsewhere,
    /// It is downloaded.
    Job(Arc<Job>),
}

/// What is to be done for all layers of an image.
pub(super) struct WantedLayers {
    pub(super) layers: Vec<(BlobId, Wanted)>,
    /// Keeps those that are here.
    pub(super) _pinned: Option<Pinned>,
}

/// Tells what happens to all layers, until each is staged.
pub(super) async fn watch_all(
    layers: &[(BlobId, Wanted)],
    events: &Events,
) -> Result<(), TransferError> {
    for (blob, wanted) in layers {
        let what = match wanted {
            Wanted::Here | Wanted::Elsewhere => LayerEvent::Exists,
            Wanted::Job(_) => LayerEvent::Pulling,
        };
        tell(events, layer_event(blob, what)).await;
    }
    // Each layer says that it is unpacked after the one beneath it has.
    let (first, mut below) = oneshot::channel();
    let _ = first.send(());
    let mut watching = Vec::new();
    for (blob, wanted) in layers {
        let Wanted::Job(job) = wanted else { continue };
        let (done, next) = oneshot::channel();
        let before = std::mem::replace(&mut below, next);
        watching.push(watch_one(*blob, job, events, (before, done)));
    }
    futures_util::future::try_join_all(watching).await.map(drop)
}

/// Tells what happens to one layer.
async fn watch_one(
    blob: BlobId,
    job: &Job,
    events: &Events,
    (before, done): (oneshot::Receiver<()>, oneshot::Sender<()>),
) -> Result<(), TransferError> {
    let size = blob.size_bytes;
    let tell = |what| tell(events, layer_event(&blob, what));
    let mut states = job.watch();
    let mut told: Option<Instant> = None;
    let mut last = "";
    // Said even if its turn came while this was said.
    if job.had_to_wait() {
        tell(LayerEvent::Waiting).await;
    }
    loop {
        let state = states.borrow_and_update().clone();
        let news = match state.phase {
            Phase::Waiting => None,
            Phase::Downloading if state.received == 0 => None,
            Phase::Downloading => {
                Some(("downloading", LayerEvent::Downloading(state.received, size)))
            }
            Phase::Retrying(seconds) => Some(("retrying", LayerEvent::Retrying(seconds))),
            Phase::Verifying | Phase::Staged => break,
            Phase::Failed(error) => return Err(error),
        };
        let is_due = told.is_none_or(|at| at.elapsed() >= INTERVAL);
        if let Some((name, what)) = news
            && (last != name || is_due)
        {
            tell(what).await;
            told = Some(Instant::now());
            last = name;
        }
        if states.changed().await.is_err() {
            return Err(TransferError::Cancelled);
        }
    }
    tell(LayerEvent::Verifying).await;
    tell(LayerEvent::Downloaded).await;
    let _ = before.await;
    let mut told = Instant::now();
    loop {
        let state = states.borrow_and_update().clone();
        match state.phase {
            Phase::Staged => break,
            Phase::Failed(error) => return Err(error),
            Phase::Waiting | Phase::Downloading | Phase::Retrying(_) | Phase::Verifying => {}
        }
        if told.elapsed() >= INTERVAL {
            tell(LayerEvent::Extracting(state.unpacked, size)).await;
            told = Instant::now();
        }
        if states.changed().await.is_err() {
            return Err(TransferError::Cancelled);
        }
    }
    job.finished().await?;
    tell(LayerEvent::Extracting(size, size)).await;
    tell(LayerEvent::Complete).await;
    let _ = done.send(());
    Ok(())
}

fn layer_event(blob: &BlobId, what: LayerEvent) -> Event {
    Event::Layer {
        id: blob.digest.short(),
        what,
    }
}

/// A listener that is gone is not told; whoever dropped it calls the pull off by dropping that too.
pub(super) async fn tell(events: &Events, event: Event) {
    let _ = events.send(event).await;
}
