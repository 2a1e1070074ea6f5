//! Whether layers are what they were when they were stored, and making them so again.
//!
//! A layer's content is known by one digest, that of its tar. Of an unpacked layer the tar is made
//! again from its files, and then says what each file should be; of one that is files the index has a
//! digest too.

use std::io::BufReader;

use super::error::LayerError;
use super::record::{Form, Layer};
use super::{LayerStore, Staged, files};
use crate::store::layers::{Layers, StagedLayer, open_directory};
use crate::{ChainId, erofs};

/// What is wrong with a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Something that its own content can make again: owners, modes, an index.
    Shape(String),
    /// Its content.
    Content(String),
}

impl Layers {
    /// Reads a whole layer and tells what is wrong with it.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`]; [`LayerError`] if it cannot be looked at.
    pub fn check(&self, chain: &ChainId) -> Result<Option<Fault>, LayerError> {
        let layer = self.known(chain)?;
        match layer.form {
            Form::Directory => self.check_directory(&layer),
            Form::Erofs => self.check_files(&layer),
        }
    }

    fn check_files(&self, layer: &Layer) -> Result<Option<Fault>, LayerError> {
        if let Err(error) = self.write_tar(&layer.chain, &mut std::io::sink()) {
            return content(error).map(Some);
        }
        let index = self.layer_dir(&layer.chain).join("index");
        Ok(match (files::digest_of(&index), layer.index) {
            (Ok(found), Some(expected)) if found == expected => None,
            (Ok(_), _) => Some(Fault::Shape("its index was changed".to_owned())),
            (Err(error), _) => Some(Fault::Shape(format!("read its index: {error}"))),
        })
    }

    /// The tar is made again and read at once: it says what each file should be.
    fn check_directory(&self, layer: &Layer) -> Result<Option<Fault>, LayerError> {
        let (reader, mut writer) = std::io::pipe().map_err(LayerError::Write)?;
        let (written, read) = std::thread::scope(|scope| {
            let writing = scope.spawn(move || self.write_tar(&layer.chain, &mut writer));
            let read = erofs::read(BufReader::with_capacity(256 << 10, reader), self.limits());
            (writing.join().expect("writing a tar does not panic"), read)
        });
        if let Err(error) = written {
            return content(error).map(Some);
        }
        let outline = read.map_err(LayerError::Extract)?.outline;
        let root = open_directory(&self.layer_dir(&layer.chain).join("fs"))?;
        let faults = erofs::compare(&outline, root).map_err(LayerError::Compare)?;
        Ok(told(&faults).map(Fault::Shape))
    }

    /// Makes a layer again, from its own content or from another layer's of the same content. A
    /// container that runs on it would lose its files: the caller must know of none. Answers whether
    /// sound content was found.
    ///
    /// # Errors
    /// [`LayerError::NoSuchLayer`]; [`LayerError`] if it cannot be stored.
    pub fn repair(&self, chain: &ChainId) -> Result<bool, LayerError> {
        let layer = self.known(chain)?;
        let twins = self.list().into_iter();
        let twins = twins.filter(|twin| twin.diff_id == layer.diff_id && twin.chain != *chain);
        let sources = std::iter::once(*chain).chain(twins.map(|twin| twin.chain));
        for source in sources {
            match self.copy_of(&source) {
                Ok(staged) if staged.diff_id() == layer.diff_id => {
                    self.replace(staged, chain)?;
                    return Ok(true);
                }
                Ok(_) | Err(LayerError::Damaged { .. } | LayerError::DamagedFile { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// A layer's content staged once more.
    pub(super) fn copy_of(&self, chain: &ChainId) -> Result<StagedLayer, LayerError> {
        let (mut reader, mut writer) = std::io::pipe().map_err(LayerError::Write)?;
        let (written, staged) = std::thread::scope(|scope| {
            let writing = scope.spawn(move || self.write_tar(chain, &mut writer));
            let staged = self.stage(&mut reader);
            // Whoever still writes is told that nobody reads.
            drop(reader);
            (
                writing.join().expect("writing a tar does not panic"),
                staged,
            )
        });
        match (written, staged) {
            (Err(LayerError::Write(_)), Err(error)) => Err(error),
            (Err(error), _) => Err(error),
            (Ok(()), staged) => staged,
        }
    }

    /// Files and directories in the store that are no layers: a description each.
    ///
    /// # Errors
    /// [`LayerError`] if the store cannot be listed.
    pub fn strangers(&self) -> Result<Vec<std::path::PathBuf>, LayerError> {
        let directory = self.layers_dir();
        let listed =
            std::fs::read_dir(&directory).map_err(super::error::failed("list", &directory))?;
        let known: std::collections::HashSet<_> = self
            .list()
            .iter()
            .map(|layer| self.layer_dir(&layer.chain))
            .collect();
        let paths = listed.flatten().map(|entry| entry.path());
        Ok(paths.filter(|path| !known.contains(path)).collect())
    }
}

/// A damaged layer is an answer, any other error is one.
fn content(error: LayerError) -> Result<Fault, LayerError> {
    match error {
        LayerError::Damaged { .. } | LayerError::DamagedFile { .. } => {
            Ok(Fault::Content(gantry_errors::chain(&error).to_string()))
        }
        other => Err(other),
    }
}

/// The first few of them.
fn told(faults: &[String]) -> Option<String> {
    const FEW: usize = 5;
    match faults {
        [] => None,
        few if few.len() <= FEW => Some(few.join("; ")),
        many => Some(format!(
            "{}; and {} more",
            many[..FEW].join("; "),
            many.len() - FEW
        )),
    }
}
