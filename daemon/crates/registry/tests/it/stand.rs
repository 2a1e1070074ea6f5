//! What every test stands on: a store in a temporary directory, images, transfers, what was told.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use gantry_ids::{ImageId, ImageRef, Platform};
use gantry_image::{ImageStore, ImportRequest};
use gantry_registry::transfer::{Event, LayerEvent, PullRequest, Pulled, PushRequest, Pushed};
use gantry_registry::{
    Credentials, Registries, RegistryOptions, TransferError, TransferLimits, Transfers,
};
use tokio::sync::mpsc;

/// An engine's image side.
pub(crate) struct Stand {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) images: Arc<ImageStore>,
    pub(crate) transfers: Arc<Transfers>,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self::with(RegistryOptions::default())
    }

    pub(crate) fn with(options: RegistryOptions) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        Self::at(dir, options)
    }

    fn at(dir: tempfile::TempDir, options: RegistryOptions) -> Self {
        let images = Arc::new(ImageStore::open(&dir.path().join("image")).expect("a store"));
        let registries = Arc::new(Registries::new(options));
        let limits = TransferLimits {
            attempts: 3,
            ..TransferLimits::default()
        };
        let transfers = Transfers::new(registries, Arc::clone(&images), limits);
        Self {
            dir,
            images,
            transfers: Arc::new(transfers),
        }
    }

    pub(crate) async fn pull(
        &self,
        reference: &str,
    ) -> Result<(Pulled, Vec<Event>), TransferError> {
        self.pull_as(reference, Credentials::Anonymous).await
    }

    pub(crate) async fn pull_as(
        &self,
        reference: &str,
        credentials: Credentials,
    ) -> Result<(Pulled, Vec<Event>), TransferError> {
        self.pull_by(reference, None, credentials).await
    }

    pub(crate) async fn pull_for(
        &self,
        reference: &str,
        platform: Platform,
    ) -> Result<(Pulled, Vec<Event>), TransferError> {
        self.pull_by(reference, Some(platform), Credentials::Anonymous)
            .await
    }

    async fn pull_by(
        &self,
        reference: &str,
        platform: Option<Platform>,
        credentials: Credentials,
    ) -> Result<(Pulled, Vec<Event>), TransferError> {
        let request = PullRequest {
            reference: reference
                .parse::<ImageRef>()
                .expect("a reference")
                .with_default_tag(),
            platform,
            credentials,
        };
        let (sender, mut events) = mpsc::channel(8);
        let work = async {
            let sender = sender;
            self.transfers.pull(&request, &sender).await
        };
        let listen = async {
            let mut all = Vec::new();
            while let Some(event) = events.recv().await {
                all.push(event);
            }
            all
        };
        let (end, told) = tokio::join!(work, listen);
        end.map(|pulled| (pulled, told))
    }

    pub(crate) async fn push(
        &self,
        reference: &str,
    ) -> Result<(Vec<Pushed>, Vec<Event>), TransferError> {
        self.push_as(reference, Credentials::Anonymous).await
    }

    pub(crate) async fn push_as(
        &self,
        reference: &str,
        credentials: Credentials,
    ) -> Result<(Vec<Pushed>, Vec<Event>), TransferError> {
        self.push_by(reference, None, credentials).await
    }

    pub(crate) async fn push_for(
        &self,
        reference: &str,
        platform: Platform,
    ) -> Result<(Vec<Pushed>, Vec<Event>), TransferError> {
        self.push_by(reference, Some(platform), Credentials::Anonymous)
            .await
    }

    async fn push_by(
        &self,
        reference: &str,
        platform: Option<Platform>,
        credentials: Credentials,
    ) -> Result<(Vec<Pushed>, Vec<Event>), TransferError> {
        self.push_request(&PushRequest {
            reference: reference.parse().expect("a reference"),
            platform,
            packing: None,
            credentials,
        })
        .await
    }

    pub(crate) async fn push_request(
        &self,
        request: &PushRequest,
    ) -> Result<(Vec<Pushed>, Vec<Event>), TransferError> {
        let (sender, mut events) = mpsc::channel(8);
        let work = async {
            let sender = sender;
            self.transfers.push(request, &sender).await
        };
        let listen = async {
            let mut all = Vec::new();
            while let Some(event) = events.recv().await {
                all.push(event);
            }
            all
        };
        let (end, told) = tokio::join!(work, listen);
        end.map(|pushed| (pushed, told))
    }

    /// An image of one layer, with a name.
    pub(crate) fn import(&self, name: &str, files: &[(&str, Vec<u8>)]) -> ImageId {
        let request = ImportRequest {
            reference: Some(name.parse().expect("a reference")),
            changes: vec!["CMD [\"/hello\"]".to_owned()],
            ..ImportRequest::default()
        };
        self.images
            .import(&mut &*tar(files), &request)
            .expect("an image")
    }

    /// What is left of downloads.
    pub(crate) fn partials(&self) -> Vec<u64> {
        let dir = self.dir.path().join("image/partial");
        let entries = std::fs::read_dir(dir).expect("a folder");
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .metadata()
                    .expect("its facts")
                    .len()
            })
            .collect()
    }

    /// Nothing visible, nothing staged.
    pub(crate) fn assert_nothing_kept(&self) {
        assert!(self.images.list().is_empty());
        assert_eq!(entries(&self.dir.path().join("image/layers")), 0);
    }
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("a folder").count()
}

/// A tar of files.
pub(crate) fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, path, &**content)
            .expect("an archive");
    }
    tar.into_inner().expect("an archive")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..))
        .take(length)
        .collect()
}

/// What was told of layers, without progress.
pub(crate) fn layer_words(events: &[Event]) -> Vec<LayerEvent> {
    let words = events.iter().filter_map(|event| match event {
        Event::Layer { what, .. } => Some(what.clone()),
        _ => None,
    });
    words
        .filter(|what| {
            !matches!(
                what,
                LayerEvent::Downloading(..)
                    | LayerEvent::Extracting(..)
                    | LayerEvent::Pushing(..)
                    | LayerEvent::Waiting
            )
        })
        .collect()
}
