//! Reading `config.json`, with limits, and the checks that need nothing but the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::spec::{Process, Spec};

/// No sane configuration is longer: Docker's are about 20 KiB.
const MAX_BYTES: u64 = 16 << 20;
/// The kernel itself stops at 100,000 mounts for all containers together.
const MAX_MOUNTS: usize = 8192;
/// More devices than this cannot be told from an attack on the runtime's memory.
const MAX_LIST: usize = 65_536;

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("JSON specification file {path} not found", path = path.display())]
    NotFound { path: PathBuf },
    #[error("read {path}", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is longer than {MAX_BYTES} bytes", path = path.display())]
    TooLong { path: PathBuf },
    #[error("parse {path}", path = path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{list} has {count} entries, more than the {limit} that are accepted")]
    TooMany {
        list: &'static str,
        count: usize,
        limit: usize,
    },
    #[error("process property must not be empty")]
    NoProcess,
    #[error("root property must not be empty")]
    NoRoot,
    #[error("args must not be empty")]
    NoArgs,
    #[error("Cwd property must not be empty")]
    NoCwd,
    #[error("Cwd must be an absolute path")]
    RelativeCwd,
    #[error("{field} contains a NUL byte")]
    Nul { field: &'static str },
}

/// Reads and checks `<bundle>/config.json`; the bytes come along, to be kept beside the state.
pub(crate) fn load(path: &Path) -> Result<(Spec, Vec<u8>), SpecError> {
    let bytes = read(path)?;
    let spec = parse(&bytes, path)?;
    Ok((spec, bytes))
}

/// Parses and checks a whole configuration.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Spec, SpecError> {
    let spec: Spec = serde_json::from_slice(bytes).map_err(|source| SpecError::Parse {
        path: path.to_owned(),
        source,
    })?;
    check(&spec)?;
    Ok(spec)
}

/// Reads and checks the process that `exec --process` names.
pub(crate) fn load_process(path: &Path) -> Result<Process, SpecError> {
    let bytes = read(path)?;
    let process: Process = serde_json::from_slice(&bytes).map_err(|source| SpecError::Parse {
        path: path.to_owned(),
        source,
    })?;
    check_process(&process)?;
    Ok(process)
}

fn read(path: &Path) -> Result<Vec<u8>, SpecError> {
    let failed = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            return SpecError::NotFound {
                path: path.to_owned(),
            };
        }
        SpecError::Read {
            path: path.to_owned(),
            source,
        }
    };
    let mut bytes = Vec::with_capacity(16 << 10);
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SpecError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

fn check(spec: &Spec) -> Result<(), SpecError> {
    let root = spec.root.as_ref().ok_or(SpecError::NoRoot)?;
    check_process(spec.process.as_ref().ok_or(SpecError::NoProcess)?)?;
    limit("mounts", spec.mounts.len(), MAX_MOUNTS)?;
    limit("linux.devices", spec.linux.devices.len(), MAX_LIST)?;
    limit(
        "linux.maskedPaths",
        spec.linux.masked_paths.len(),
        MAX_MOUNTS,
    )?;
    limit(
        "linux.readonlyPaths",
        spec.linux.readonly_paths.len(),
        MAX_MOUNTS,
    )?;
    limit("linux.uidMappings", spec.linux.uid_mappings.len(), 340)?;
    limit("linux.gidMappings", spec.linux.gid_mappings.len(), 340)?;
    if has_nul(&root.path.to_string_lossy()) {
        return Err(SpecError::Nul { field: "root.path" });
    }
    Ok(())
}

/// Checks what `config.json` and `process.json` have in common.
pub(crate) fn check_process(process: &Process) -> Result<(), SpecError> {
    if process.args.is_empty() {
        return Err(SpecError::NoArgs);
    }
    if process.cwd.is_empty() {
        return Err(SpecError::NoCwd);
    }
    if !process.cwd.starts_with('/') {
        return Err(SpecError::RelativeCwd);
    }
    limit(
        "process.user.additionalGids",
        process.user.additional_gids.len(),
        MAX_LIST,
    )?;
    for (field, mut values) in [
        ("process.args", process.args.iter()),
        ("process.env", process.env.iter()),
    ] {
        if values.any(|value| has_nul(value)) {
            return Err(SpecError::Nul { field });
        }
    }
    if has_nul(&process.cwd) {
        Err(SpecError::Nul {
            field: "process.cwd",
        })
    } else {
        Ok(())
    }
}

fn limit(list: &'static str, count: usize, limit: usize) -> Result<(), SpecError> {
    if count > limit {
        Err(SpecError::TooMany { list, count, limit })
    } else {
        Ok(())
    }
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}
