//! The volumes of a new container: made, filled with what the image has there, and promised to go if
//! the container does not come.

use std::path::Path;

use gantry_engine_api::Map;
use gantry_ids::{ContainerId, VolumeName};
use gantry_image::Image;

use super::{
    create::blocking,
    error::ContainerError,
    model::Record,
    mounts::{MountRecord, Source},
    registry::{Containers, Parts},
    remove::Teardown,
};
use crate::store::{Batch, Table};

impl Containers {
    /// Names the anonymous volumes, and writes that they go if the container does not come: a volume
    /// that nobody uses is somebody's data and never swept.
    pub(super) async fn promise_volumes(&self, record: &mut Record) -> Result<(), ContainerError> {
        let mut promised = Vec::new();
        for mount in &mut record.mounts {
            // Those of another container have a name.
            if let Source::Volume {
                name,
                anonymous: true,
                ..
            } = &mut mount.source
                && name.is_empty()
            {
                *name = VolumeName::generate().to_string();
                promised.push(name.clone());
            }
        }
        if promised.is_empty() {
            return Ok(());
        }
        let teardown = Teardown::of_unborn(record, promised);
        let bytes = serde_json::to_vec(&teardown).expect("plain fields");
        let batch = Batch::default().put(Table::Teardown, record.id.as_str(), bytes);
        self.parts
            .commit(batch)
            .await
            .map_err(|source| ContainerError::Persist {
                id: record.id.clone(),
                source,
            })
    }

    /// Finds or makes a mount's volume, and fills a new one with what the image has there.
    pub(super) async fn provide_volume(
        &self,
        id: &ContainerId,
        mount: &mut MountRecord,
        image: &Image,
    ) -> Result<(), ContainerError> {
        let Source::Volume {
            name,
            driver,
            path,
            no_copy,
            options,
            labels,
            anonymous,
            ..
        } = &mut mount.source
        else {
            return Ok(());
        };
        let options = Map::from(options.clone());
        let volumes = &self.parts.volumes;
        let volume = if *anonymous {
            volumes
                .ensure_anonymous(name, driver, &options, labels)
                .await?
        } else {
            volumes.ensure(name, driver, &options, labels).await?.0
        };
        *name = volume.name.to_string();
        let dir = self.parts.volumes.path(&volume.name);
        *path = dir.display().to_string();
        if *no_copy {
            return Ok(());
        }
        let (parts, image) = (self.parts.clone(), image.id);
        let (target, id) = (mount.target.clone(), id.clone());
        let held = name.clone();
        blocking(move || {
            parts.volumes.hold(&held, id.as_str())?;
            let _held = Held {
                parts: &parts,
                volume: &held,
                holder: id.as_str(),
            };
            let empty = std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none());
            if empty {
                parts.images.copy_up(&image, Path::new(&target), &dir)?;
            }
            Ok(())
        })
        .await
    }
}

/// A volume that is mounted for the moment.
struct Held<'a> {
    parts: &'a Parts,
    volume: &'a str,
    holder: &'a str,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.parts.volumes.let_go(self.volume, self.holder);
    }
}
