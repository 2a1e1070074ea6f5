//! Pushing a list that somebody else has written, of manifests that the registry has in other
//! repositories: nothing of it is in the store.

use std::sync::Arc;

use bytes::Bytes;
use gantry_ids::{Digest, ImageRef};

use super::Transfers;
use super::attached::blobs;
use super::error::TransferError;
use super::push::PushRequest;
use crate::client::{Mounted, Repository};
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
    /// they are. Answers the digests of the manifests and of the list.
    ///
    /// # Errors
    /// [`TransferError::NotMounted`] where the registry does not hand a blob over; [`TransferError`].
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
                bring(&target, &blob, &part.from).await?;
            }
            let digest = Digest::of(&part.bytes).to_string();
            let put = target.put_manifest(&digest, &part.media_type, part.bytes);
            pushed.push(put.await.map_err(TransferError::of_push)?);
        }
        let put = target.put_manifest(tag, &list.media_type, list.bytes);
        Ok((pushed, put.await.map_err(TransferError::of_push)?))
    }
}

/// Has a blob of another repository in the target.
async fn bring(
    target: &Repository,
    blob: &Descriptor,
    from: &ImageRef,
) -> Result<(), TransferError> {
    let has = target.has_blob(&blob.digest).await;
    if has.map_err(TransferError::of_push)?.is_some() {
        return Ok(());
    }
    let mounted = target.mount(&blob.digest, from.path()).await;
    match mounted.map_err(TransferError::of_push)? {
        Mounted::Yes => Ok(()),
        Mounted::No(upload) => {
            upload.cancel().await;
            let (digest, from) = (blob.digest, from.familiar_name());
            Err(TransferError::NotMounted { digest, from })
        }
    }
}
