//! Blobs of the client's stores: image layouts that `--build-context name=oci-layout://…` names.

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use gantry_ids::Digest;
use tonic::Request;

use super::headers::add;
use super::{CallError, MESSAGE_BYTES_MAX, ORIGIN, Session};
use crate::wire::containerd::services::content::v1::ReadContentRequest;
use crate::wire::containerd::services::content::v1::content_client::ContentClient;

const READ: &str = "/containerd.services.content.v1.Content/Read";

/// Names the store that a call is for.
const STORE: &str = "buildkit-attachable-store-id";

impl Session {
    /// The bytes of a blob, from the beginning. Nobody has verified them.
    ///
    /// # Errors
    /// The client does not have it, or is gone; later the stream's items say so.
    pub async fn blob(
        &self,
        store: &str,
        digest: &Digest,
    ) -> Result<impl Stream<Item = Result<Bytes, CallError>> + Send + use<>, CallError> {
        const WHAT: &str = "read an image layout of the client";
        self.requires(READ)?;
        let mut request = Request::new(ReadContentRequest {
            digest: digest.to_string(),
            ..ReadContentRequest::default()
        });
        add(request.metadata_mut(), STORE, &[format!("oci:{store}")]);
        let mut client = ContentClient::with_origin(self.channel(), http::Uri::from_static(ORIGIN))
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let answer = client.read(request).await.map_err(CallError::of(WHAT))?;
        Ok(stream::unfold(answer.into_inner(), |mut messages| async {
            match messages.message().await {
                Ok(Some(message)) => Some((Ok(message.data), messages)),
                Ok(None) => None,
                Err(status) => Some((Err(CallError::of(WHAT)(status)), messages)),
            }
        }))
    }
}
