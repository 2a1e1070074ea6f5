//! For whom a volume's own mount is there: mounted for its first holder, taken away after its last.
//!
//! Holders are kept in memory; after a start those that run hold anew ([`Volumes::settle_mounts`]).

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{VolumeError, Volumes, local};

/// A volume is mounted for whoever has this.
#[derive(Debug)]
pub struct Held {
    volumes: Volumes,
    name: String,
    holder: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.volumes.let_go(&self.name, &self.holder);
    }
}

impl Volumes {
    /// Has a volume's own mount made, if it has one, and kept until [`Self::let_go`] by the same holder
    /// (a container's id).
    ///
    /// # Errors
    /// [`VolumeError::Mount`].
    pub fn hold(&self, name: &str, holder: &str) -> Result<(), VolumeError> {
        let Some(record) = self
            .lookup(name)
            .filter(|record| !record.options.is_empty())
        else {
            return Ok(());
        };
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(&record.name);
        local::mount(&record.options, &path)
            .map_err(|source| VolumeError::Mount { path, source })?;
        holders
            .entry(record.name.clone())
            .or_default()
            .insert(holder.to_owned());
        Ok(())
    }

    /// The holder is done with a volume; the last one takes its mount away.
    pub fn let_go(&self, name: &str, holder: &str) {
        let Some(record) = self
            .lookup(name)
            .filter(|record| !record.options.is_empty())
        else {
            return;
        };
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        let left = holders.entry(record.name.clone()).or_default();
        left.remove(holder);
        if !left.is_empty() {
            return;
        }
        holders.remove(&record.name);
        if let Err(error) = local::unmount(&self.path(&record.name)) {
            tracing::warn!(volume.name = name, %error, "a volume stays mounted");
        }
    }

    /// Has a volume's own mount made, if it has one, until the answer is dropped. Blocks.
    ///
    /// # Errors
    /// [`VolumeError::Mount`].
    pub fn hold_for_a_while(&self, name: &str) -> Result<Held, VolumeError> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let held = Held {
            volumes: self.clone(),
            name: name.to_owned(),
            // No container's id.
            holder: format!("passing-{}", LAST.fetch_add(1, Ordering::Relaxed)),
        };
        self.hold(name, &held.holder)?;
        Ok(held)
    }

    /// Takes away mounts that nobody holds; after a start, once every container that runs holds its own.
    pub fn settle_mounts(&self) {
        for record in self.list() {
            self.let_go(record.name.as_str(), "");
        }
    }
}
