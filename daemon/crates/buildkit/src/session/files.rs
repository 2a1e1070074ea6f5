//! Fetching files of the client (`moby.filesync.v1.FileSync`).

use std::os::fd::OwnedFd;

use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Status};

use super::headers::add;
use super::{CallError, MESSAGE_BYTES_MAX, ORIGIN, Session};
use crate::fsutil::{CONTENT_BYTES_MAX, ReceiveError, Received, Receiver};
use crate::wire::moby::filesync::v1::file_sync_client::FileSyncClient;

const DIFF_COPY: &str = "/moby.filesync.v1.FileSync/DiffCopy";

/// Which files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// The client's name of the directory: `context`, `dockerfile`, or one of `--build-context`.
    pub directory: String,
    /// Only these, wildcards included; links on the way to them are sent as well. Empty for all.
    pub follow: Vec<String>,
    /// Only what these patterns match. Empty for all.
    pub include: Vec<String>,
    /// Nothing these patterns match, in the words of `.dockerignore`.
    pub exclude: Vec<String>,
    /// So many bytes of files that are not there already, at most; none for as many as any build
    /// context may have.
    pub content_bytes_max: Option<u64>,
}

/// Why files were not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client refused, or is gone.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The client sent nonsense, or the disk refused.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// The client ended before it had sent everything.
    #[error("the client stopped sending files")]
    Ended,
}

impl Session {
    /// Makes a directory equal to the client's files; `sent` is told the bytes so far, as they are
    /// counted on the wire.
    ///
    /// It writes to disk as it goes: to be awaited on a thread that may block.
    ///
    /// # Errors
    /// [`FetchError`]; the directory is then somewhere in between, and good to start from.
    pub async fn fetch(
        &self,
        fetch: &Fetch,
        root: OwnedFd,
        sent: &dyn Fn(u64),
    ) -> Result<Received, FetchError> {
        const WHAT: &str = "fetch files of the client";
        self.requires(DIFF_COPY)?;
        let bytes_max = fetch.content_bytes_max.unwrap_or(CONTENT_BYTES_MAX);
        let mut receiver = Receiver::new(root)?.limited_to(bytes_max);
        let (answers, requests) = mpsc::unbounded_channel();
        let mut request = Request::new(UnboundedReceiverStream::new(requests));
        let metadata = request.metadata_mut();
        add(metadata, "dir-name", std::slice::from_ref(&fetch.directory));
        add(metadata, "followpaths", &fetch.follow);
        add(metadata, "include-patterns", &fetch.include);
        add(metadata, "exclude-patterns", &fetch.exclude);
        let origin = http::Uri::from_static(ORIGIN);
        let mut client = FileSyncClient::with_origin(self.channel(), origin)
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let answer = client.diff_copy(request).await;
        let mut packets = answer.map_err(CallError::of(WHAT))?.into_inner();
        let failed = |status: Status| FetchError::from(CallError::of(WHAT)(status));
        while let Some(packet) = packets.message().await.map_err(failed)? {
            let is_done = receiver.take(packet, &mut |answer| {
                // Without anybody to receive it, the next message tells why.
                let _ = answers.send(answer);
            })?;
            sent(receiver.received().bytes);
            if is_done {
                drop(answers);
                // The client's own end of the call; nothing depends on it.
                let _ = packets.message().await;
                return Ok(receiver.received());
            }
        }
        Err(FetchError::Ended)
    }
}
