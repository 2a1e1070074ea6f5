//! Pushing a list that somebody else has written, of manifests that the registry has in other
//! repositories: nothing of it is in the store.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gantry_ids::{Digest, ImageRef};
use sha2::Digest as _;

use super::Transfers;
use super::attached::blobs;
use super::error::TransferError;
use super::push::PushRequest;
use crate::client::{BlobAnswer, CHUNK_BYTES, Mounted, Repository, Upload};
use crate::error::RegistryError;
use crate::hosts::Purpose;
use crate::manifest::Descriptor;

/// A list and what it lists.
#[derive(Debug, Clone)]
pub struct PushedList {
    /// The manifests that the repository may lack.
    pub parts: Vec<ListPart>,
    /// The media type of the list.
    pub media_type: String,
    /// The list.
    pub bytes: Bytes,
}

/// A manifest of a list.
#[derive(Debug, Clone)]
pub struct ListPart {
    /// Where the registry has it and its blobs.
    pub from: ImageRef,
    /// Its media type.
    pub media_type: String,
    /// The manifest.
    pub bytes: Bytes,
}

impl Transfers {
    /// Puts a list under the request's tag, after its manifests and their blobs, which are mounted from where
    /// they are, or copied where the registry does not mount them. Answers the digests of the manifests and of
    /// the list.
    ///
    /// # Errors
    /// [`TransferError::NotMounted`] where a blob can neither be mounted nor be read; [`TransferError`].
    pub async fn push_list(
        self: &Arc<Self>,
        request: &PushRequest,
        list: PushedList,
    ) -> Result<(Vec<Digest>, Digest), TransferError> {
        let tag = request.reference.tag().ok_or(TransferError::PushDigest)?;
        let target = self.target(request).await?;
        let mut pushed = Vec::new();
        for part in list.parts {
            for blob in blobs(&part.bytes) {
                self.bring(&target, &blob, (request, &part.from)).await?;
            }
            let digest = Digest::of(&part.bytes).to_string();
            let put = target.put_manifest(&digest, &part.media_type, part.bytes);
            pushed.push(put.await.map_err(TransferError::of_push)?);
        }
        let put = target.put_manifest(tag, &list.media_type, list.bytes);
        Ok((pushed, put.await.map_err(TransferError::of_push)?))
    }

    /// Has a blob of another repository in the target.
    async fn bring(
        &self,
        target: &Repository,
        blob: &Descriptor,
        (request, from): (&PushRequest, &ImageRef),
    ) -> Result<(), TransferError> {
        let has = target.has_blob(&blob.digest).await;
        if has.map_err(TransferError::of_push)?.is_some() {
            return Ok(());
        }
        let upload = match target.mount(&blob.digest, from.path()).await {
            Ok(Mounted::Yes) => return Ok(()),
            Ok(Mounted::No(upload)) => upload,
            // A registry that refuses the question and not only the answer.
            Err(RegistryError::Refused { .. }) => {
                target.upload().await.map_err(TransferError::of_push)?
            }
            Err(error) => return Err(TransferError::of_push(error)),
        };
        let Some(source) = self.source(request, from, blob).await else {
            upload.cancel().await;
            let (digest, from) = (blob.digest, from.familiar_name());
            return Err(TransferError::NotMounted { digest, from });
        };
        copy(source, upload, blob).await
    }

    /// The blob as another repository of the same registry has it.
    async fn source(
        &self,
        request: &PushRequest,
        from: &ImageRef,
        blob: &Descriptor,
    ) -> Option<BlobAnswer> {
        if from.domain() != request.reference.domain() {
            return None;
        }
        for endpoint in self
            .registries
            .endpoints(from.domain(), Purpose::Pull)
            .await
            .ok()?
        {
            let credentials = request.credentials.clone();
            let open = self
                .registries
                .open(&endpoint, from.path(), Purpose::Pull, credentials);
            match async { open.await?.blob(blob, 0).await }.await {
                Ok(answer) => return Some(answer),
                Err(error) => tracing::debug!(%error, %from, "could not read the blob"),
            }
        }
        None
    }
}

/// Streams a blob to an upload that was begun, and ends it.
async fn copy(
    mut source: BlobAnswer,
    mut upload: Upload,
    blob: &Descriptor,
) -> Result<(), TransferError> {
    let mut hash = sha2::Sha256::new();
    let mut chunk = BytesMut::new();
    loop {
        let piece = source.chunk().await.map_err(TransferError::of_push)?;
        let Some(piece) = piece else { break };
        hash.update(&piece);
        chunk.extend_from_slice(&piece);
        if chunk.len() >= CHUNK_BYTES {
            let whole = chunk.split().freeze();
            upload.write(whole).await.map_err(TransferError::of_push)?;
        }
    }
    if Digest::from_bytes(hash.finalize().into()) != blob.digest {
        upload.cancel().await;
        let error = RegistryError::Verification(blob.digest);
        return Err(TransferError::of_push(error));
    }
    let ended = upload.finish(&blob.digest, chunk.freeze()).await;
    ended.map_err(TransferError::of_push)
}
