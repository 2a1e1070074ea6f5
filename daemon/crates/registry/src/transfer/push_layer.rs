//! One layer on its way out: found in the registry, mounted, copied from where it came, or made
//! again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gantry_ids::{Digest, ImageRef};
use gantry_image::{BlobId, ImageError};
use gantry_layer::{LayerStore, Packing};
use sha2::Digest as _;
use tokio::sync::mpsc;

use super::Transfers;
use super::error::TransferError;
use super::event::{Event, LayerEvent};
use super::push::{PushTo, PushedLayer, StoredLayer};
use super::watch::tell;
use crate::client::{CHUNK_BYTES, Mounted, Upload};
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::hosts::Purpose;
use crate::manifest::Descriptor;
use crate::media;

/// Bytes of one piece between the compressing thread and the upload.
const PIECE_BYTES: usize = 256 << 10;
/// As many as a chunk of the upload holds: the layer is compressed on while a chunk is taken.
const PIECES_WAITING: usize = CHUNK_BYTES / PIECE_BYTES;
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a blob's source may take to begin.
const SOURCE_LIMIT: Duration = Duration::from_secs(10);

/// A layer and all that is needed to push it.
pub(super) struct LayerPush<'a> {
    pub(super) transfers: &'a Arc<Transfers>,
    pub(super) to: &'a PushTo<'a>,
    pub(super) layer: StoredLayer,
    /// What the image's own manifest says of it.
    pub(super) wanted: Option<Descriptor>,
}

impl LayerPush<'_> {
    /// Sees to it that the registry has the layer, and says as which blob.
    pub(super) async fn run(self) -> Result<PushedLayer, TransferError> {
        let _permit = self.transfers.uploads.acquire().await;
        // The manifest's own blob comes first: with it the manifest's digest stays.
        for candidate in self.candidates() {
            if let Some(how) = self.obtain(&candidate).await? {
                self.tell(how).await;
                return Ok(PushedLayer::of(self.layer.diff_id, &candidate));
            }
        }
        let made = self.make().await?;
        self.tell(LayerEvent::Pushed).await;
        Ok(made)
    }

    /// The blobs that hold this layer: the one of the image's manifest first.
    fn candidates(&self) -> Vec<Descriptor> {
        let known = self.transfers.images.blobs_of(&self.layer.diff_id);
        let others = known.into_iter().map(|blob| {
            let media = media::docker_layer(blob.packing);
            Descriptor::new(media, blob.digest, blob.size_bytes)
        });
        let own = self.wanted.iter().cloned();
        let others = others.filter(|other| own.clone().all(|own| own.digest != other.digest));
        let all = own.clone().chain(others);
        all.filter(|blob| self.is_asked_for(blob)).collect()
    }

    /// Whether a blob is compressed as the request wants it.
    fn is_asked_for(&self, blob: &Descriptor) -> bool {
        let its = Packing::of_media_type(&blob.media_type);
        self.to.packing.is_none_or(|asked| asked.is_like(its))
    }

    /// How the registry came to have a blob; none if it cannot be had.
    async fn obtain(&self, blob: &Descriptor) -> Result<Option<LayerEvent>, TransferError> {
        let has = self.to.target.has_blob(&blob.digest).await;
        if has.map_err(TransferError::of_push)?.is_some() {
            return Ok(Some(LayerEvent::AlreadyThere));
        }
        if let Some(from) = self.mount(blob).await? {
            return Ok(Some(LayerEvent::Mounted(from)));
        }
        Ok(self.copy(blob).await?.then_some(LayerEvent::Pushed))
    }

    async fn tell(&self, what: LayerEvent) {
        let id = self.layer.diff_id.digest().short();
        tell(self.to.events, Event::Layer { id, what }).await;
    }

    /// The repository of the same registry that the blob was mounted from.
    async fn mount(&self, blob: &Descriptor) -> Result<Option<String>, TransferError> {
        for source in self.sources(blob) {
            if source.domain() != self.to.domain || source.path() == self.to.target.path() {
                continue;
            }
            match self.to.target.mount(&blob.digest, source.path()).await {
                Ok(Mounted::Yes) => return Ok(Some(source.path().to_owned())),
                Ok(Mounted::No(upload)) => upload.cancel().await,
                // A token that is good for both may not be given: the blob is pushed then.
                Err(error) => tracing::debug!(%error, from = source.path(), "could not mount"),
            }
        }
        Ok(None)
    }

    fn sources(&self, blob: &Descriptor) -> Vec<ImageRef> {
        let sources = self.transfers.images.sources_of(&blob.digest);
        sources
            .iter()
            .filter_map(|source| source.parse().ok())
            .collect()
    }

    /// Streams the blob from where it was seen; no if nobody gives it any more.
    async fn copy(&self, blob: &Descriptor) -> Result<bool, TransferError> {
        for source in self.sources(blob) {
            if source.domain() == self.to.domain && source.path() == self.to.target.path() {
                continue;
            }
            match self.copy_from(&source, blob).await {
                Ok(()) => return Ok(true),
                Err(Copying::Source(error)) => {
                    tracing::debug!(%error, %source, "could not copy the blob from its source");
                }
                Err(Copying::Target(error)) => return Err(TransferError::of_push(error)),
            }
        }
        Ok(false)
    }

    async fn copy_from(&self, source: &ImageRef, blob: &Descriptor) -> Result<(), Copying> {
        let registries = &self.transfers.registries;
        // Who we are to the target is nobody else's business.
        let credentials = match source.domain() == self.to.domain {
            true => self.to.credentials.clone(),
            false => Credentials::Anonymous,
        };
        let endpoints = registries.endpoints(source.domain(), Purpose::Pull).await;
        let mut last = RegistryError::Host(source.domain().to_owned());
        for endpoint in endpoints.map_err(Copying::Source)? {
            let open =
                registries.open(&endpoint, source.path(), Purpose::Pull, credentials.clone());
            let answer = async { open.await?.blob(blob, 0).await };
            // A source that is gone must not hold the push up: the layer can be made again.
            let Ok(answer) = tokio::time::timeout(SOURCE_LIMIT, answer).await else {
                continue;
            };
            match answer {
                Ok(answer) => return self.stream(answer, blob).await,
                Err(error) => last = error,
            }
        }
        Err(Copying::Source(last))
    }

    async fn stream(
        &self,
        mut answer: crate::client::BlobAnswer,
        blob: &Descriptor,
    ) -> Result<(), Copying> {
        let upload = self.to.target.upload().await.map_err(Copying::Target)?;
        let mut out = Outgoing::new(upload, self, blob.size);
        let mut hash = sha2::Sha256::new();
        while let Some(piece) = answer.chunk().await.map_err(Copying::Source)? {
            hash.update(&piece);
            out.write(&piece).await.map_err(Copying::Target)?;
        }
        if Digest::from_bytes(hash.finalize().into()) != blob.digest {
            out.cancel().await;
            return Err(Copying::Source(RegistryError::Verification(blob.digest)));
        }
        out.finish(&blob.digest).await.map_err(Copying::Target)
    }

    /// Compresses the layer while it is sent.
    async fn make(&self) -> Result<PushedLayer, TransferError> {
        let images = Arc::clone(&self.transfers.images);
        let chain = self.layer.chain;
        let tar_bytes = images
            .layers()
            .get(&chain)
            .map_or(0, |layer| layer.tar_bytes);
        let packing = self.to.packing.unwrap_or(self.transfers.packing);
        let (sender, mut pieces) = mpsc::channel(PIECES_WAITING);
        let read = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&read);
        let compressing = tokio::task::spawn_blocking(move || {
            let out = Pieces {
                sender,
                piece: BytesMut::new(),
                hash: sha2::Sha256::new(),
                bytes: 0,
            };
            let failed = gantry_layer::LayerError::Write;
            let mut packer = Counting {
                to: packing.pack(out).map_err(failed)?,
                bytes: counted,
            };
            images.layers().write_tar(&chain, &mut packer)?;
            let out = packer.to.finish().map_err(failed)?;
            out.finish(packing).map_err(failed)
        });
        let upload = self
            .to
            .target
            .upload()
            .await
            .map_err(TransferError::of_push)?;
        let mut out = Outgoing::new(upload, self, tar_bytes);
        out.read = Some(read);
        while let Some(piece) = pieces.recv().await {
            out.write(&piece).await.map_err(TransferError::of_push)?;
        }
        let made = compressing.await.map_err(|_| TransferError::Thread)?;
        let blob = made.map_err(ImageError::Layer)?;
        out.finish(&blob.digest)
            .await
            .map_err(TransferError::of_push)?;
        Ok(PushedLayer {
            diff_id: self.layer.diff_id,
            blob,
            media_type: media::docker_layer(packing).to_owned(),
        })
    }
}

/// Whose fault it is that a blob was not copied.
enum Copying {
    Source(RegistryError),
    Target(RegistryError),
}

/// An upload with the bytes of its next chunk.
struct Outgoing<'a> {
    upload: Upload,
    chunk: BytesMut,
    push: &'a LayerPush<'a>,
    taken: u64,
    /// Bytes of the layer that were compressed, where `total` is of those.
    read: Option<Arc<AtomicU64>>,
    total: u64,
    told: Option<Instant>,
}

impl<'a> Outgoing<'a> {
    fn new(upload: Upload, push: &'a LayerPush<'a>, total: u64) -> Self {
        Self {
            upload,
            chunk: BytesMut::new(),
            push,
            taken: 0,
            read: None,
            total,
            told: None,
        }
    }

    async fn write(&mut self, mut piece: &[u8]) -> Result<(), RegistryError> {
        self.taken += piece.len() as u64;
        while !piece.is_empty() {
            let room = CHUNK_BYTES - self.chunk.len();
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.chunk.extend_from_slice(now);
            piece = later;
            if self.chunk.len() == CHUNK_BYTES {
                let chunk = std::mem::take(&mut self.chunk).freeze();
                self.upload.write(chunk).await?;
            }
        }
        if self.told.is_none_or(|at| at.elapsed() >= INTERVAL) {
            let what = LayerEvent::Pushing(self.so_far(), self.total);
            self.push.tell(what).await;
            self.told = Some(Instant::now());
        }
        Ok(())
    }

    fn so_far(&self) -> u64 {
        let read = self.read.as_ref();
        read.map_or(self.taken, |read| read.load(Ordering::Relaxed))
    }

    async fn finish(mut self, digest: &Digest) -> Result<(), RegistryError> {
        let what = LayerEvent::Pushing(self.so_far(), self.so_far().max(self.total));
        self.push.tell(what).await;
        let last = std::mem::take(&mut self.chunk).freeze();
        self.upload.finish(digest, last).await
    }

    async fn cancel(self) {
        self.upload.cancel().await;
    }
}

/// Says how much was written.
struct Counting<W> {
    to: W,
    bytes: Arc<AtomicU64>,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.to.write(bytes)?;
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What the compressing thread writes to.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    piece: BytesMut,
    hash: sha2::Sha256,
    bytes: u64,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece).freeze();
        self.hash.update(&piece);
        self.bytes += piece.len() as u64;
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
        self.sender.blocking_send(piece).map_err(gone)
    }

    fn finish(mut self, packing: Packing) -> io::Result<BlobId> {
        self.send()?;
        Ok(BlobId {
            digest: Digest::from_bytes(self.hash.finalize().into()),
            size_bytes: self.bytes,
            packing,
        })
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
