//! What the client reads from its standard input (`docker build - < context.tar`).

use std::io::{self, Read};
use std::pin::Pin;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use tokio::runtime::Handle;
use tonic::Request;

use super::headers::add;
use super::{CallError, MESSAGE_BYTES_MAX, ORIGIN, Session};
use crate::wire::moby::upload::v1::upload_client::UploadClient;

const PULL: &str = "/moby.upload.v1.Upload/Pull";

/// The host in addresses of uploads.
const HOST: &str = "buildkit-session";

impl Session {
    /// The path of an upload, if an address names one: `http://buildkit-session/<name>`.
    #[must_use]
    pub fn upload_path(address: &str) -> Option<&str> {
        let rest = address.strip_prefix("http://")?.strip_prefix(HOST)?;
        rest.starts_with('/').then_some(rest)
    }

    /// The bytes of an upload, by its path. They can be had once.
    ///
    /// # Errors
    /// The client does not have it, or is gone; later the stream's items say so.
    pub async fn upload(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, CallError>> + Send + use<>, CallError> {
        const WHAT: &str = "read the client's standard input";
        self.requires(PULL)?;
        let mut request = Request::new(stream::pending());
        let metadata = request.metadata_mut();
        add(metadata, "urlpath", &[path.to_owned()]);
        add(metadata, "urlhost", &[HOST.to_owned()]);
        let mut client = UploadClient::with_origin(self.channel(), http::Uri::from_static(ORIGIN))
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let answer = client.pull(request).await.map_err(CallError::of(WHAT))?;
        Ok(stream::unfold(answer.into_inner(), |mut messages| async {
            match messages.message().await {
                Ok(Some(message)) => Some((Ok(message.data), messages)),
                Ok(None) => None,
                Err(status) => Some((Err(CallError::of(WHAT)(status)), messages)),
            }
        }))
    }
}

/// An upload as a reader, for a thread that may block.
pub struct Reader {
    pieces: Pin<Box<dyn Stream<Item = Result<Bytes, CallError>> + Send>>,
    piece: Bytes,
    runtime: Handle,
}

impl Reader {
    /// Reads what [`Session::upload`] answered.
    pub fn new(
        pieces: impl Stream<Item = Result<Bytes, CallError>> + Send + 'static,
        runtime: Handle,
    ) -> Self {
        Self {
            pieces: Box::pin(pieces),
            piece: Bytes::new(),
            runtime,
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.pieces.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
