//! Bundles: the directory a shim works in, on the state directory's tmpfs.
//!
//! ```text
//! STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/
//!   config.json       the container's spec
//!   rootfs/           where the shim mounts the root file system
//!   work -> ROOT/io.containerd.runtime.v2.task/NAMESPACE/ID    not for our own shim
//!   supervisor.json   what this program knows of the task (task/record.rs)
//!   shim.log          what the shim writes to stderr
//!   address, …        the shim's own
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use gantry_errors::{Classify, ErrorKind, chain};
use gantry_proto::uds;
use rustix::mount::UnmountFlags;

use crate::names::{ContainerId, Key, Namespace};

/// containerd's name for the directory of its second runtime API.
const RUNTIME: &str = "io.containerd.runtime.v2.task";

/// Where bundles lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    state: PathBuf,
}

/// Why a bundle could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    /// One of its files could not be made.
    #[error("create {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// What an earlier task of that name left cannot be removed.
    #[error("remove {path}")]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The bundles cannot be listed.
    #[error("list {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Classify for BundleError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Create { source, .. }
            | Self::Remove { source, .. }
            | Self::List { source, .. } => source.kind().into(),
        }
    }
}

/// One bundle.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    path: PathBuf,
    work: PathBuf,
}

impl Layout {
    /// Bundles in `state`, with their durable parts in `root`.
    pub(crate) fn new(root: &Path, state: &Path) -> Self {
        let (root, state) = (root.join(RUNTIME), state.join(RUNTIME));
        Self { root, state }
    }

    /// The bundle of a container, whether or not it is there.
    pub(crate) fn bundle(&self, key: &Key) -> Bundle {
        let place = Path::new(key.namespace.as_str()).join(key.id.as_str());
        Bundle {
            path: self.state.join(&place),
            work: self.root.join(place),
        }
    }

    /// All containers that have a bundle. Names that are no identifiers are not ours and are left.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<Key>, BundleError> {
        let mut keys = Vec::new();
        for namespace in names(&self.state)? {
            let Ok(namespace) = Namespace::parse(&namespace) else {
                continue;
            };
            for id in names(&self.state.join(namespace.as_str()))? {
                if let Ok(id) = ContainerId::parse(&id) {
                    let namespace = namespace.clone();
                    keys.push(Key { namespace, id });
                }
            }
        }
        Ok(keys)
    }
}

impl Layout {
    /// Removes the work directories of bundles that are gone: a machine that lost its power keeps
    /// these and forgets those.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub(crate) fn sweep(&self) -> Result<(), BundleError> {
        for namespace in names(&self.root)? {
            for id in names(&self.root.join(&namespace))? {
                let place = Path::new(&namespace).join(id);
                let work = self.root.join(&place);
                if !self.state.join(place).exists()
                    && let Err(error) = gone(fs::remove_dir_all(&work), &work)
                {
                    let error = chain(&error).to_string();
                    tracing::warn!(error, "a work directory stays");
                }
            }
        }
        Ok(())
    }
}

fn names(directory: &Path) -> Result<Vec<String>, BundleError> {
    let failed = |source| BundleError::List {
        path: directory.to_owned(),
        source,
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    Ok(names)
}

impl Bundle {
    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where its shim wrote that it listens; the shim does so before it tells the supervisor.
    pub(crate) fn address(&self) -> Option<PathBuf> {
        let address = fs::read_to_string(self.path.join("address")).ok()?;
        Some(uds::path_of(address.trim()).to_owned()).filter(|path| path.is_absolute())
    }

    /// Makes it, with `spec` as `config.json`.
    ///
    /// # Errors
    /// A file cannot be made, or an earlier bundle cannot be removed.
    pub(crate) fn create(&self, spec: &[u8]) -> Result<(), BundleError> {
        self.remove()?;
        // A container in a user namespace reaches its rootfs through here.
        self.directory(&self.path, 0o711)?;
        self.directory(&self.path.join("rootfs"), 0o711)?;
        let config = self.path.join("config.json");
        fs::write(&config, spec).map_err(failed_to_create(&config))
    }

    /// Makes its work directory, where a shim may keep what is too big for memory. Our own has nothing to
    /// keep there, and a directory on a disk is not free.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn provide_work(&self) -> Result<(), BundleError> {
        self.directory(&self.work, 0o711)?;
        let link = self.path.join("work");
        symlink(&self.work, &link).map_err(failed_to_create(&link))
    }

    fn directory(&self, path: &Path, mode: u32) -> Result<(), BundleError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(failed_to_create(path))
    }

    /// Removes it and its work directory, and is content when they are gone already.
    ///
    /// A rootfs that is still mounted is detached, never walked into.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub(crate) fn remove(&self) -> Result<(), BundleError> {
        let rootfs = self.path.join("rootfs");
        match fs::remove_dir(&rootfs) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => {
                while rustix::mount::unmount(&rootfs, UnmountFlags::DETACH).is_ok() {}
                gone(fs::remove_dir(&rootfs), &rootfs)?;
            }
        }
        gone(fs::remove_dir_all(&self.path), &self.path)?;
        gone(fs::remove_dir_all(&self.work), &self.work)
    }
}

fn failed_to_create(path: &Path) -> impl FnOnce(io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::Create { path, source }
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<(), BundleError> {
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BundleError::Remove {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::Layout;
    use crate::names::{ContainerId, Key, Namespace};

    #[test]
    fn a_bundle_is_made_listed_and_removed() {
        let root = tempfile::tempdir().expect("temporary directory");
        let layout = Layout::new(&root.path().join("root"), &root.path().join("state"));
        assert_eq!(layout.all().expect("nothing yet"), []);
        let key = Key {
            namespace: Namespace::parse("ns").expect("namespace"),
            id: ContainerId::parse("c").expect("id"),
        };
        let bundle = layout.bundle(&key);
        bundle.create(b"{}").expect("created");
        bundle.provide_work().expect("work made");
        std::fs::write(bundle.path().join("work/x"), "x").expect("work is a directory");
        bundle
            .create(b"{\"a\":1}")
            .expect("an old bundle is replaced");
        bundle.provide_work().expect("work made");
        let config = std::fs::read(bundle.path().join("config.json")).expect("config");
        assert_eq!(config, b"{\"a\":1}");
        assert!(!bundle.path().join("work/x").exists());
        assert_eq!(layout.all().expect("listed"), [key]);
        layout.sweep().expect("swept");
        assert!(bundle.path().join("work").is_dir(), "what is in use stays");
        std::fs::remove_dir_all(root.path().join("state")).expect("as a reboot does");
        layout.sweep().expect("swept");
        assert!(!bundle.work.exists());
        bundle.create(b"{}").expect("created");
        bundle.remove().expect("removed");
        bundle.remove().expect("removed already");
        assert_eq!(layout.all().expect("listed"), []);
    }

    #[test]
    fn what_lies_in_an_unmounted_rootfs_is_not_deleted() {
        let root = tempfile::tempdir().expect("temporary directory");
        let layout = Layout::new(root.path(), root.path());
        let key = Key {
            namespace: Namespace::parse("ns").expect("namespace"),
            id: ContainerId::parse("c").expect("id"),
        };
        let bundle = layout.bundle(&key);
        bundle.create(b"{}").expect("created");
        let precious = bundle.path().join("rootfs/precious");
        std::fs::write(&precious, "").expect("written");
        assert!(bundle.remove().is_err());
        assert!(precious.exists());
    }
}
