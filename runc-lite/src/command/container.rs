//! What several verbs do with one container.

use std::path::{Path, PathBuf};

use gantry_cgroup::{Cgroup, Layout, Unit};

use crate::cli::Global;
use crate::error::RunError;
use crate::hooks::HookState;
use crate::spec::Spec;
use crate::state::{ContainerDirectory, Record, Store};

/// The runtime-specification version that is implemented.
pub(crate) const OCI_VERSION: &str = "1.2.1";

/// Finds a container.
pub(crate) fn find(global: &Global, id: &str) -> Result<(ContainerDirectory, Record), RunError> {
    Ok(Store::new(global.root.clone()).load(id)?)
}

/// The control group that a configuration asks for, and the unit it belongs to where systemd makes it.
pub(crate) fn cgroup_of(
    spec: &Spec,
    id: &str,
    layout: &Layout,
    systemd: bool,
) -> Result<(Cgroup, Option<Unit>), RunError> {
    let path = spec.linux.cgroups_path.as_str();
    if systemd {
        let unit = Unit::parse(path, id)?;
        return Ok((Cgroup::at(layout, &unit.path()?)?, Some(unit)));
    }
    let path = Path::new(if path.is_empty() { id } else { path });
    Ok((Cgroup::at(layout, path)?, None))
}

/// What hooks are told of a container.
pub(crate) fn hook_state(record: &Record, status: &'static str) -> HookState {
    HookState {
        oci_version: OCI_VERSION.to_owned(),
        id: record.id.clone(),
        status,
        pid: record.pid,
        bundle: record.bundle.clone(),
        annotations: record.annotations.clone(),
    }
}

/// The root file system's directory, without links.
pub(crate) fn rootfs_of(spec: &Spec, bundle: &Path) -> Result<PathBuf, RunError> {
    let path = spec
        .root
        .as_ref()
        .map(|root| root.path.clone())
        .unwrap_or_default();
    let path = bundle.join(path);
    let found = path.canonicalize().map_err(|source| RunError::Rootfs {
        path: path.clone(),
        source,
    })?;
    if found.is_dir() {
        Ok(found)
    } else {
        Err(RunError::RootfsNotDirectory { path })
    }
}

/// A record for a container that has no process yet.
pub(crate) fn new_record(id: &str, spec: &Spec, bundle: &Path, cgroup: &Cgroup) -> Record {
    Record {
        v: 1,
        id: id.to_owned(),
        oci_version: spec.oci_version.clone(),
        pid: 0,
        start_time: 0,
        bundle: bundle.to_owned(),
        rootfs: PathBuf::new(),
        created: jiff::Timestamp::now().to_string(),
        owner: rustix::process::getuid().as_raw(),
        annotations: spec.annotations.clone(),
        cgroups: cgroup.paths(),
        unit: None,
    }
}
