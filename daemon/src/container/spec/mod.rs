//! From a container's record to the runtime's `config.json`, as dockerd 28 writes it.
//!
//! Pure but for what only the host knows, which comes in as [`Surroundings`]: paths of generated
//! files, namespaces to join, the kernel's version. Device nodes are looked up by the caller
//! ([`devices`]). The outcome was compared field by field with what the stock engine hands to its
//! runtime.

pub mod capabilities;
pub mod devices;
pub mod mounts;
pub mod namespaces;
pub mod oci;
pub mod process;
pub mod resources;
pub mod seccomp;
pub mod security;
pub mod users;

use std::path::PathBuf;

use oci::{Linux, Root, Spec};

use super::model::Record;
use crate::config::SeccompDefault;

/// What the specification depends on beside the record.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Contents of the root file system's `/etc/passwd` and `/etc/group`.
    pub passwd: String,
    pub group: String,
    /// The generated files that are bound over `/etc/…`, where the container has them.
    pub resolv_conf: Option<PathBuf>,
    pub hostname: Option<PathBuf>,
    pub hosts: Option<PathBuf>,
    /// The init that `--init` puts before the command.
    pub init: Option<PathBuf>,
    /// Namespaces to join.
    pub join: namespaces::Join,
    /// The tmpfs that containers share with `--ipc shareable` and `--ipc container:`.
    pub shm: Option<PathBuf>,
    /// Variables that the container's links set.
    pub linked: Vec<String>,
    /// The filter of system calls where the container names none.
    pub seccomp: SeccompDefault,
    /// The control group, as a path or in the systemd driver's form.
    pub cgroups_path: String,
    /// Pure control group v2.
    pub cgroup_v2: bool,
    /// Major and minor version of the kernel.
    pub kernel: (u32, u32),
    /// The machine's name.
    pub machine: String,
    /// Devices of the host that the container gets.
    pub devices: devices::Granted,
}

/// Why a record cannot become a specification.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The user or a group is unknown in the image.
    #[error(transparent)]
    User(#[from] users::UserError),
    /// A capability the kernel does not have.
    #[error(transparent)]
    Capability(#[from] capabilities::UnknownCapability),
    /// A security option that cannot be read.
    #[error(transparent)]
    Security(#[from] security::SecurityError),
    /// A device that cannot be granted.
    #[error(transparent)]
    Device(#[from] devices::DeviceError),
    /// A device whose rate is limited and that is not there.
    #[error(transparent)]
    Rate(#[from] resources::NoDevice),
    /// An option of tmpfs that does not exist.
    #[error("invalid tmpfs option {0:?}")]
    TmpfsOption(String),
}

/// The whole specification.
///
/// # Errors
/// [`SpecError`].
pub fn build(record: &Record, around: &Surroundings) -> Result<Spec, SpecError> {
    let security = security::Options::parse(&record.host)?;
    let caps = process::capability_set(&record.host)?;
    let seccomp = security.filter(
        record.host.privileged,
        &around.seccomp,
        &caps,
        around.kernel,
    )?;
    let process = process::of_container(record, around, caps, &security)?;
    let (masked_paths, readonly_paths) = security::hidden_paths(&record.host);
    let linux = Linux {
        sysctl: namespaces::sysctls(record),
        resources: resources::of(&record.host, around)?,
        cgroups_path: around.cgroups_path.clone(),
        namespaces: namespaces::of(&record.host, around),
        devices: around.devices.nodes.clone(),
        seccomp,
        rootfs_propagation: mounts::rootfs_propagation(&record.mounts),
        masked_paths,
        readonly_paths,
    };
    Ok(Spec {
        oci_version: oci::OCI_VERSION.to_owned(),
        process,
        // The shim mounts the root file system on the bundle's own directory (ADR 3).
        root: Root {
            path: "rootfs".to_owned(),
            readonly: record.host.readonly_rootfs,
        },
        hostname: namespaces::hostname(record),
        domainname: String::new(),
        mounts: mounts::of(record, around)?,
        annotations: record
            .host
            .annotations
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        linux,
    })
}

#[cfg(test)]
mod tests;
