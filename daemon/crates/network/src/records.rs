//! Run-time records: one file per container beside the namespaces, on tmpfs, written by rename.
//!
//! A record is written before the kernel is changed for a container, and removed before the kernel is
//! cleaned: what has this engine's name in the kernel and no record is to be swept, so the kernel itself
//! is the durable queue of teardowns. Files of an earlier boot are dropped: nothing of what they tell of
//! has lived on.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use gantry_ids::ContainerId;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::error::NetworkError;

const VERSION: u32 = 1;

/// What one container has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    v: u32,
    /// Boot id of the kernel that it tells of.
    boot: String,
    pub(crate) container: ContainerId,
    /// Has it a namespace of its own?
    pub(crate) sandbox: bool,
    pub(crate) endpoints: Vec<Endpoint>,
    /// How it asks for names.
    #[serde(default)]
    pub(crate) naming: Naming,
}

/// How a container on user-defined networks asks for names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Naming {
    /// Whom it asks what no network knows; the host's own servers if empty.
    pub(crate) servers: Vec<IpAddr>,
    /// Are names without a dot never asked elsewhere?
    pub(crate) single_label_is_local: bool,
    /// Does a server answer in its namespace?
    pub(crate) served: bool,
}

/// The folder of records.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: PathBuf,
    boot: String,
}

fn failed<'a>(step: &'static str, path: &'a Path) -> impl Fn(io::Error) -> NetworkError + 'a {
    move |source| NetworkError::File {
        step,
        path: path.to_owned(),
        source,
    }
}

impl Records {
    pub(crate) fn open(folder: &Path) -> Result<Self, NetworkError> {
        fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        // A kernel without /proc has no boot id: then every record counts.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self {
            folder: folder.to_owned(),
            boot: boot.trim().to_owned(),
        })
    }

    pub(crate) fn record(
        &self,
        container: ContainerId,
        sandbox: bool,
        endpoints: Vec<Endpoint>,
    ) -> Record {
        Record {
            v: VERSION,
            boot: self.boot.clone(),
            container,
            sandbox,
            endpoints,
            naming: Naming::default(),
        }
    }

    fn path(&self, container: &ContainerId) -> PathBuf {
        self.folder.join(format!("{container}.json"))
    }

    pub(crate) fn write(&self, record: &Record) -> Result<(), NetworkError> {
        let path = self.path(&record.container);
        let new = path.with_extension("new");
        let text = serde_json::to_vec(record).expect("a record has only string keys");
        fs::write(&new, text).map_err(failed("write", &new))?;
        fs::rename(&new, &path).map_err(failed("rename to", &path))
    }

    /// No error if there is none.
    pub(crate) fn remove(&self, container: &ContainerId) -> Result<(), NetworkError> {
        let path = self.path(container);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// All records of this boot. Others, and what cannot be read, are removed: what they tell of is
    /// found by its name in the kernel and swept.
    pub(crate) fn load(&self) -> Result<Vec<Record>, NetworkError> {
        let mut records = Vec::new();
        let entries = fs::read_dir(&self.folder).map_err(failed("list", &self.folder))?;
        for entry in entries {
            let path = entry.map_err(failed("list", &self.folder))?.path();
            match self.read(&path) {
                Some(record) => records.push(record),
                None => fs::remove_file(&path).map_err(failed("remove", &path))?,
            }
        }
        Ok(records)
    }

    fn read(&self, path: &Path) -> Option<Record> {
        let text = fs::read(path)
            .ok()
            .filter(|_| path.extension().is_some_and(|e| e == "json"))?;
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.v == VERSION && record.boot == self.boot => Some(record),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "dropping a network record that cannot be read");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_others_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(folder.path()).unwrap();
        let kept = records.record(ContainerId::generate(), true, Vec::new());
        records.write(&kept).unwrap();
        let older = Record {
            boot: "another".to_owned(),
            container: ContainerId::generate(),
            ..kept.clone()
        };
        records.write(&older).unwrap();
        fs::write(folder.path().join("torn.json"), "{\"v\":1").unwrap();
        fs::write(folder.path().join("half.new"), "{}").unwrap();
        assert_eq!(records.load().unwrap(), std::slice::from_ref(&kept));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        records.remove(&kept.container).unwrap();
        records.remove(&kept.container).unwrap();
        assert!(records.load().unwrap().is_empty());
    }
}
