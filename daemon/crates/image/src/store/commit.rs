//! `commit`: an image from what a container changed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gantry_ids::{ImageId, ImageRef};
use gantry_layer::{ChainId, LayerError, LayerStore, Staged, write_diff_without};

use super::names::{now_ns, taggable};
use super::provided::PROVIDED;
use super::{Change, ImageRecord, ImageStore};
use crate::import::apply_changes;
use crate::{HistoryEntry, ImageConfig, ImageError, RunConfig, Stop};

/// What is to be committed.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The container's image.
    pub parent: ImageId,
    /// The chain its root filesystem lies on.
    pub chain: Option<ChainId>,
    /// The directory with its writes (`<rw>/upper`).
    pub upper: PathBuf,
    /// What it runs with.
    pub run: RunConfig,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// Who made it.
    pub author: String,
    /// What is said about it.
    pub comment: String,
    /// The container's command, for the history.
    pub created_by: String,
    /// The name the image gets.
    pub reference: Option<ImageRef>,
    /// Told when nobody wants the image any more.
    pub stop: Stop,
}

impl<L: LayerStore> ImageStore<L> {
    /// Makes an image of the container's image and its changes. The container must not be removed
    /// meanwhile.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Change`], [`ImageError::Layer`]; nothing is kept
    /// then.
    pub fn commit(&self, request: &CommitRequest) -> Result<ImageId, ImageError> {
        let missing = || ImageError::NoSuchImage(request.parent.to_string());
        let parent = self.get(&request.parent).ok_or_else(missing)?;
        let reference = request.reference.as_ref().map(taggable).transpose()?;
        let mut file = parent.config.file().clone();
        file.config = request.run.clone();
        apply_changes(&mut file.config, &request.changes)?;
        let upper = request.upper.as_path();
        let write = |to: &mut dyn Write| write_diff_without(upper, &PROVIDED, to);
        let (staged, has_any) = self.stage_changes(upper, write, &request.stop)?;
        let staged = has_any.then_some(staged);
        let now = Some(jiff::Timestamp::now().to_string());
        file.created.clone_from(&now);
        file.author.clone_from(&request.author);
        file.comment.clone_from(&request.comment);
        file.history.push(HistoryEntry {
            created: now,
            created_by: request.created_by.clone(),
            author: request.author.clone(),
            comment: request.comment.clone(),
            empty_layer: staged.is_none(),
        });
        file.rootfs
            .diff_ids
            .extend(staged.iter().map(Staged::diff_id));
        let config = ImageConfig::from_file(file);
        let id = config.id();
        let _writer = self.write_lock();
        let layers = self
            .layers
            .commit(staged.into_iter().collect(), request.chain.as_ref())?;
        let mut record = ImageRecord::new(None);
        record.parent = self.get(&request.parent).map(|parent| parent.id);
        record.last_tagged_ns = reference.as_ref().map(|_| now_ns());
        let mut changes = vec![Change::PutImage {
            id,
            config: config.raw().into(),
            record,
        }];
        changes.extend(reference.map(|reference| Change::SetReference {
            reference,
            image: id,
        }));
        let result = self.change(changes);
        if result.is_err() {
            self.forget(layers.iter().map(|layer| layer.chain).collect());
        }
        result.map(|()| id)
    }

    /// What was written over a chain as a layer out of sight, and whether there is anything in it.
    pub(super) fn stage_changes(
        &self,
        upper: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<bool> + Send,
        stop: &Stop,
    ) -> Result<(L::Staged, bool), ImageError> {
        let (mut reader, mut writer) = std::io::pipe().map_err(LayerError::Write)?;
        let (written, staged) = std::thread::scope(|scope| {
            let writing = scope.spawn(move || write(&mut writer));
            let staged = self.layers.stage(&mut stop.watch(&mut reader));
            drop(reader);
            let written = writing.join().expect("writing a diff does not panic");
            (written, staged)
        });
        let has_any = written.map_err(crate::error::failed("read", upper))?;
        Ok((staged?, has_any))
    }
}
