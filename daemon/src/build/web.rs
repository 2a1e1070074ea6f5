//! Files at addresses, for a solver's thread.

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use gantry_build::{Answered, Asked, Cancel, Found, Refusal};
use gantry_errors::{Classify, ErrorKind, chain};
use gantry_registry::{RegistryError, Transfers};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use url::Url;

/// The most bytes that a file may have.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// The web, through the engine's proxies and authorities.
pub(super) struct Web {
    pub(super) transfers: Arc<Transfers>,
    pub(super) runtime: Handle,
}

impl fmt::Debug for Web {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Web").finish_non_exhaustive()
    }
}

impl gantry_build::Web for Web {
    fn fetch(
        &self,
        asked: &Asked<'_>,
        to: &mut dyn Write,
        progress: &dyn Fn(u64, u64),
        cancel: &Cancel,
    ) -> Result<Answered, Refusal> {
        let url = asked.url.parse::<Url>();
        let url =
            url.map_err(|error| Refusal::new(ErrorKind::InvalidArgument, error.to_string()))?;
        let (sender, mut cancelled) = oneshot::channel::<()>();
        let _waiting = cancel.on_cancel(move || {
            let _ = sender.send(());
        });
        let registries = self.transfers.registries();
        let download = registries.download_unless(&url, asked.etag);
        let Some(mut download) = self.wait(download, &mut cancelled)? else {
            return Ok(Answered::Unchanged);
        };
        let (mut now, total) = (0, download.length().unwrap_or(0));
        // What is told may block, so nothing is told from within the runtime.
        while let Some(piece) = self.wait(download.chunk(), &mut cancelled)? {
            now += piece.len() as u64;
            if now > FILE_BYTES_MAX {
                let text = format!("it is longer than {FILE_BYTES_MAX} bytes");
                return Err(Refusal::new(ErrorKind::InvalidArgument, text));
            }
            to.write_all(&piece)
                .map_err(|error| Refusal::new(error.kind().into(), error.to_string()))?;
            progress(now, total);
        }
        Ok(Answered::New(Found {
            etag: download.etag(),
            modified_s: download.modified().map(Timestamp::as_second),
        }))
    }
}

impl Web {
    /// Waits for an answer of the server, or for the end of the build.
    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, RegistryError>>,
        cancelled: &mut oneshot::Receiver<()>,
    ) -> Result<T, Refusal> {
        let ended = || Refusal::new(ErrorKind::Cancelled, "the build was cancelled");
        self.runtime.block_on(async {
            tokio::select! {
                answer = answer => answer
                    .map_err(|error| Refusal::new(error.kind(), chain(&error).to_string())),
                Ok(()) = cancelled => Err(ended()),
            }
        })
    }
}
