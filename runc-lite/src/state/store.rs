//! The directory of all containers (`--root`) and that of one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use crate::state::Record;
use crate::state::record::VERSION;

const RECORD: &str = "state.json";
const CONFIG: &str = "config.json";
const FIFO: &str = "exec.fifo";
const LOCK: &str = "lock";
/// As containerd and Docker limit names; keeps paths short.
const MAX_ID: usize = 1024;

/// What is wrong with a container's place. The words are runc's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("container id cannot be empty")]
    EmptyId,
    #[error("invalid container ID format")]
    BadId,
    #[error("container does not exist")]
    NotFound,
    #[error("container with given ID already exists")]
    Exists,
    #[error("create {path}", path = path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write {path}", path = path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("remove {path}", path = path.display())]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not a record of this runtime", path = path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} has version {version}, which this runtime does not know", path = path.display())]
    Version { path: PathBuf, version: u32 },
}

/// All containers.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    /// Containers below this directory, which need not exist yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the directory of a new container.
    pub(crate) fn create(&self, id: &str) -> Result<ContainerDirectory, StateError> {
        let path = self.path(id)?;
        let make = || DirBuilder::new().mode(0o711).create(&path);
        let result = match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(&self.root)
                .and_then(|()| make()),
            other => other,
        };
        match result {
            Ok(()) => Ok(ContainerDirectory { path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(StateError::Exists),
            Err(source) => Err(StateError::Create { path, source }),
        }
    }

    /// Finds a container.
    pub(crate) fn open(&self, id: &str) -> Result<ContainerDirectory, StateError> {
        let path = self.path(id)?;
        if path.is_dir() {
            Ok(ContainerDirectory { path })
        } else {
            Err(StateError::NotFound)
        }
    }

    /// Finds a container and reads its record.
    pub(crate) fn load(&self, id: &str) -> Result<(ContainerDirectory, Record), StateError> {
        let directory = self.open(id)?;
        let record = directory.read()?;
        Ok((directory, record))
    }

    /// The ids of all containers, sorted.
    pub(crate) fn ids(&self) -> Result<Vec<String>, StateError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| StateError::Read {
                path: self.root.clone(),
                source,
            })?,
        };
        let mut ids: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|id| self.root.join(id).join(RECORD).exists())
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// The id becomes a file name: letters, digits and `_+-.`, as in runc.
    fn path(&self, id: &str) -> Result<PathBuf, StateError> {
        if id.is_empty() {
            return Err(StateError::EmptyId);
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
        if !id.chars().all(letter) || id.len() > MAX_ID || id == "." || id == ".." {
            return Err(StateError::BadId);
        }
        Ok(self.root.join(id))
    }
}

/// One container's directory.
#[derive(Debug, Clone)]
pub(crate) struct ContainerDirectory {
    path: PathBuf,
}

impl ContainerDirectory {
    /// The start fifo.
    pub(crate) fn fifo(&self) -> PathBuf {
        self.path.join(FIFO)
    }

    /// The configuration as it was at `create`.
    pub(crate) fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Keeps the configuration.
    pub(crate) fn keep_config(&self, bytes: &[u8]) -> Result<(), StateError> {
        let path = self.config();
        fs::write(&path, bytes).map_err(|source| StateError::Write { path, source })
    }

    /// Makes the start fifo and opens it for reading, without waiting for a writer.
    pub(crate) fn make_fifo(&self) -> Result<OwnedFd, StateError> {
        let path = self.fifo();
        let failed = |source: rustix::io::Errno| StateError::Create {
            path: path.clone(),
            source: source.into(),
        };
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o622), 0).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::empty()).map_err(failed)
    }

    /// Writes the record: beside, then renamed, so that a reader sees the old one or the new one.
    pub(crate) fn write(&self, record: &Record) -> Result<(), StateError> {
        let path = self.path.join(RECORD);
        let beside = self.path.join("state.json.new");
        let bytes = serde_json::to_vec(record).expect("a record always becomes JSON");
        fs::write(&beside, bytes)
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(|source| StateError::Write { path, source })
    }

    /// Reads the record.
    pub(crate) fn read(&self) -> Result<Record, StateError> {
        let path = self.path.join(RECORD);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::NotFound);
            }
            other => other.map_err(|source| StateError::Read {
                path: path.clone(),
                source,
            })?,
        };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|source| StateError::Parse {
                path: path.clone(),
                source,
            })?;
        if record.v == VERSION {
            Ok(record)
        } else {
            Err(StateError::Version {
                path,
                version: record.v,
            })
        }
    }

    /// Waits for and takes the right to change the container; held until dropped.
    pub(crate) fn lock(&self) -> Result<File, StateError> {
        let path = self.path.join(LOCK);
        let failed = |source| StateError::Write {
            path: path.clone(),
            source,
        };
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| {
                if source.kind() == io::ErrorKind::NotFound {
                    return StateError::NotFound;
                }
                failed(source)
            })?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// Removes everything.
    pub(crate) fn remove(&self) -> Result<(), StateError> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| StateError::Remove {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// Writes a pid file: beside, then renamed, since its reader waits for it to appear.
pub(crate) fn write_pid_file(path: &Path, pid: i32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let beside = path.with_file_name(format!(".{}", name.to_string_lossy()));
    let mut file = File::create(&beside)?;
    file.write_all(pid.to_string().as_bytes())?;
    fs::rename(&beside, path)
}
