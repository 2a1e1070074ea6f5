//! What docker's volumes lack: another name for a volume, and contents that come from elsewhere.
//!
//! A volume that is used by no container may have another name; the record with the new name says what the
//! directory was called until that is renamed too, so that a kill between the two loses nothing. Contents
//! come whole or not at all: they are unpacked beside the volume's empty directory and take its place.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use gantry_ids::VolumeName;

use super::{ANONYMOUS_LABEL, VolumeError, VolumeRecord, Volumes, record::parse};
use crate::store::{Batch, Table};

/// Where contents are unpacked before they are the volume's.
const COMING: &str = "_coming";

impl Volumes {
    /// Gives a volume that none of `users` uses another name.
    ///
    /// # Errors
    /// [`VolumeError::NoSuchVolume`], [`VolumeError::InUse`], [`VolumeError::NameTaken`].
    pub async fn rename(
        &self,
        name: &str,
        new_name: &str,
        users: &[String],
    ) -> Result<Arc<VolumeRecord>, VolumeError> {
        let old = self.get(name)?;
        if !users.is_empty() {
            return Err(VolumeError::InUse {
                step: "rename",
                name: name.to_owned(),
                users: users.join(", "),
            });
        }
        let mut renamed = VolumeRecord::clone(&old);
        renamed.name = parse(new_name)?;
        renamed.was = Some(old.name.clone());
        renamed.anonymous = false;
        renamed.labels.remove(ANONYMOUS_LABEL);
        self.take_name(&renamed)?;
        let bytes = serde_json::to_vec(&renamed).expect("a record has string keys only");
        let batch = Batch::default()
            .put(Table::Volumes, renamed.name.as_str(), bytes)
            .delete(Table::Volumes, name);
        if let Err(source) = self.store.commit(batch).await {
            self.forget(&renamed.name);
            return Err(VolumeError::Persist {
                name: name.to_owned(),
                source,
            });
        }
        // The old name is free once nothing is there any more.
        let followed = self.rename_directory(&renamed);
        self.forget(&old.name);
        followed?;
        self.announce("rename", &renamed.name);
        self.get(new_name)
    }

    /// The name is the volume's from now on.
    fn take_name(&self, renamed: &VolumeRecord) -> Result<(), VolumeError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        // A directory without a record may hold what somebody wants to keep.
        let dir = self.root.join(renamed.name.as_str());
        if map.contains_key(renamed.name.as_str()) || fs::symlink_metadata(dir).is_ok() {
            return Err(VolumeError::NameTaken(renamed.name.to_string()));
        }
        map.insert(renamed.name.clone(), Arc::new(renamed.clone()));
        Ok(())
    }

    fn forget(&self, name: &VolumeName) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.remove(name);
    }

    /// Gives the directory of a renamed volume its name, if it does not have it yet.
    ///
    /// # Errors
    /// [`VolumeError::Directory`].
    pub(super) fn follow(&self, record: &VolumeRecord) -> Result<(), VolumeError> {
        // The old name may be another volume's by now.
        match &record.was {
            Some(was) if self.lookup(was.as_str()).is_none() => self.rename_directory(record),
            Some(_) | None => Ok(()),
        }
    }

    fn rename_directory(&self, record: &VolumeRecord) -> Result<(), VolumeError> {
        let Some(was) = &record.was else {
            return Ok(());
        };
        let (from, to) = (
            self.root.join(was.as_str()),
            self.root.join(record.name.as_str()),
        );
        if fs::symlink_metadata(&to).is_ok() {
            return Ok(());
        }
        fs::rename(from, to).map_err(|source| VolumeError::Directory {
            step: "rename the directory of",
            name: record.name.to_string(),
            source,
        })
    }

    /// Fills a volume that is empty and that nobody who runs uses; whole or not at all. Blocks.
    ///
    /// # Errors
    /// [`VolumeError::NotEmpty`], [`VolumeError::OwnMount`], whatever `fill` fails with.
    pub fn fill(
        &self,
        record: &VolumeRecord,
        fill: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), VolumeError> {
        let name = record.name.as_str();
        if !record.options.is_empty() {
            return Err(VolumeError::OwnMount(name.to_owned()));
        }
        let data = self.path(&record.name);
        let failed = |step: &'static str| {
            move |source: io::Error| VolumeError::Directory {
                step,
                name: name.to_owned(),
                source,
            }
        };
        if fs::read_dir(&data)
            .map_err(failed("read"))?
            .next()
            .is_some()
        {
            return Err(VolumeError::NotEmpty(name.to_owned()));
        }
        let coming = Coming::make(&data).map_err(failed("make room for the contents of"))?;
        fill(&coming.0).map_err(|source| VolumeError::Contents {
            name: name.to_owned(),
            source,
        })?;
        // What is not empty by now is not replaced: the kernel refuses.
        match fs::rename(&coming.0, &data) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(VolumeError::NotEmpty(name.to_owned()))
            }
            renamed => renamed.map_err(failed("put the contents into")),
        }
    }
}

/// A directory beside a volume's own, which takes its place or goes.
struct Coming(PathBuf);

impl Coming {
    /// With owner and mode of the volume's own.
    fn make(data: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let own = fs::metadata(data)?;
        let coming = Self(data.with_file_name(COMING));
        // Of an import that a kill cut off, or of one that is under way: that fails at its end.
        match fs::remove_dir_all(&coming.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir(&coming.0)?;
        chown(&coming.0, Some(own.uid()), Some(own.gid()))?;
        fs::set_permissions(&coming.0, fs::Permissions::from_mode(own.mode() & 0o7777))?;
        Ok(coming)
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // It is not there any more where all went well.
        let _ = fs::remove_dir_all(&self.0);
    }
}
