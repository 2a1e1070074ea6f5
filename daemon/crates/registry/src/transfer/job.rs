//! One layer on its way in, however many pulls wait for it.
//!
//! ```text
//! [Waiting ─▶] Downloading ⇄ Retrying ─▶ Verifying ─▶ Staged
//!     └──────────────┴─────────┴───────────┴──────▶ Failed
//! ```
//!
//! The job ends when the last pull that waits for it goes away.

use std::sync::{Arc, Mutex, PoisonError};

use gantry_layer::StagedLayer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::error::TransferError;
use super::{Transfers, download};
use crate::client::Repository;
use crate::manifest::Descriptor;

/// Where a layer is.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// For others: as many layers as may be are downloaded already.
    Waiting,
    Downloading,
    /// Seconds to the next attempt.
    Retrying(u64),
    /// All bytes are here.
    Verifying,
    /// Unpacked and verified.
    Staged,
    Failed(TransferError),
}

/// Where a layer is, and how far.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// Bytes received, those of an earlier attempt included.
    pub(super) received: u64,
    /// Bytes handed to the layer store.
    pub(super) unpacked: u64,
}

/// A layer's job.
#[derive(Debug)]
pub(super) struct Job {
    state: watch::Sender<State>,
    staged: Mutex<Option<StagedLayer>>,
    had_to_wait: bool,
    cancel: CancellationToken,
}

impl Drop for Job {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The working side of a job, which does not keep it alive.
#[derive(Debug, Clone)]
pub(super) struct Work {
    state: watch::Sender<State>,
    pub(super) cancel: CancellationToken,
}

impl Work {
    pub(super) fn enter(&self, phase: Phase) {
        self.state.send_modify(|state| state.phase = phase);
    }

    pub(super) fn received(&self, bytes: u64) {
        self.state.send_modify(|state| {
            state.received = bytes;
            if matches!(state.phase, Phase::Waiting | Phase::Retrying(_)) {
                state.phase = Phase::Downloading;
            }
        });
    }

    pub(super) fn unpacked(&self, bytes: u64) {
        self.state.send_modify(|state| state.unpacked = bytes);
    }
}

impl Job {
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether its turn had not come when it was made.
    pub(super) const fn had_to_wait(&self) -> bool {
        self.had_to_wait
    }

    /// Waits until the layer is staged.
    pub(super) async fn finished(&self) -> Result<(), TransferError> {
        let mut states = self.watch();
        loop {
            match &states.borrow_and_update().phase {
                Phase::Staged => return Ok(()),
                Phase::Failed(error) => return Err(error.clone()),
                Phase::Waiting | Phase::Downloading | Phase::Retrying(_) | Phase::Verifying => {}
            }
            if states.changed().await.is_err() {
                return Err(TransferError::Cancelled);
            }
        }
    }

    /// Takes the layer, if no other pull was faster: then the store has it.
    pub(super) fn take(&self) -> Option<StagedLayer> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.take()
    }
}

impl Transfers {
    /// The job of a layer: the one that is going on, or a new one.
    pub(super) fn job(self: &Arc<Self>, repository: &Repository, layer: &Descriptor) -> Arc<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|_, job| job.strong_count() > 0);
        let going_on = jobs.get(&layer.digest).and_then(std::sync::Weak::upgrade);
        if let Some(job) = going_on.filter(|job| job.is_of_use()) {
            return job;
        }
        // In the order of the layers, so that only those wait whose turn has not come.
        let permit = Arc::clone(&self.downloads).try_acquire_owned().ok();
        let (state, _) = watch::channel(State {
            phase: match permit {
                Some(_) => Phase::Downloading,
                None => Phase::Waiting,
            },
            received: 0,
            unpacked: 0,
        });
        let cancel = CancellationToken::new();
        let work = Work {
            state: state.clone(),
            cancel: cancel.clone(),
        };
        let job = Arc::new(Job {
            state,
            staged: Mutex::new(None),
            had_to_wait: permit.is_none(),
            cancel,
        });
        jobs.insert(layer.digest, Arc::downgrade(&job));
        let (transfers, repository, layer) = (Arc::clone(self), repository.clone(), layer.clone());
        let weak = Arc::downgrade(&job);
        tokio::spawn(async move {
            let staged = tokio::select! {
                () = work.cancel.cancelled() => Err(TransferError::Cancelled),
                staged = download::run(&transfers, (&repository, &layer), &work, permit) => staged,
            };
            match staged {
                Ok(staged) => {
                    if let Some(job) = weak.upgrade() {
                        let mut slot = job.staged.lock().unwrap_or_else(PoisonError::into_inner);
                        *slot = Some(staged);
                    }
                    work.enter(Phase::Staged);
                }
                Err(error) => work.enter(Phase::Failed(error)),
            }
        });
        job
    }
}

impl Job {
    /// Whether a pull may still join: not after a failure, nor when another took the layer.
    fn is_of_use(&self) -> bool {
        match self.state.borrow().phase {
            Phase::Failed(_) => false,
            Phase::Staged => {
                let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
                staged.is_some()
            }
            Phase::Waiting | Phase::Downloading | Phase::Retrying(_) | Phase::Verifying => true,
        }
    }
}
