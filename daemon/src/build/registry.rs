//! Pulls of base images, for a solver's thread.

use std::fmt;
use std::sync::Arc;

use gantry_build::{Cancel, Refusal, Registry};
use gantry_errors::{Classify, ErrorKind, chain};
use gantry_ids::{ImageId, ImageRef, Platform};
use gantry_registry::transfer::{Event, LayerEvent, PullRequest};
use gantry_registry::{Credentials, Transfers};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Events that may wait.
const QUEUE: usize = 32;

/// A client's credentials by the domain of a registry. Called on a solver's thread; it may block.
pub type CredentialsOf = Arc<dyn Fn(&str) -> Credentials + Send + Sync>;

/// Registries with a client's credentials.
#[derive(Clone)]
pub struct Registries {
    pub(super) transfers: Arc<Transfers>,
    pub(super) credentials: CredentialsOf,
    pub(super) runtime: Handle,
}

impl fmt::Debug for Registries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registries").finish_non_exhaustive()
    }
}

impl Registry for Registries {
    fn pull(
        &self,
        reference: &ImageRef,
        platform: &Platform,
        progress: &dyn Fn(&str, u64, u64),
        cancel: &Cancel,
    ) -> Result<ImageId, Refusal> {
        let request = PullRequest {
            reference: reference.clone(),
            platform: Some(platform.clone()),
            credentials: (self.credentials)(reference.domain()),
        };
        let (sender, cancelled) = oneshot::channel::<()>();
        let _waiting = cancel.on_cancel(move || {
            let _ = sender.send(());
        });
        let (events, mut told) = mpsc::channel(QUEUE);
        let pull = async {
            let events = events;
            self.transfers.pull(&request, &events).await
        };
        let tell = async {
            while let Some(event) = told.recv().await {
                if let Event::Layer { id, what } = event {
                    let (now, all) = match what {
                        LayerEvent::Downloading(now, all) | LayerEvent::Extracting(now, all) => {
                            (now, all)
                        }
                        LayerEvent::Complete | LayerEvent::Exists => (1, 1),
                        _ => (0, 0),
                    };
                    progress(&id, now, all);
                }
            }
        };
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                (pulled, ()) = async { tokio::join!(pull, tell) } => Some(pulled),
                Ok(()) = cancelled => None,
            }
        });
        match outcome {
            Some(Ok(pulled)) => Ok(pulled.id),
            Some(Err(error)) => Err(Refusal::new(error.kind(), chain(&error).to_string())),
            None => Err(Refusal::new(
                ErrorKind::Cancelled,
                "the build was cancelled",
            )),
        }
    }
}
