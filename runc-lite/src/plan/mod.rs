//! *Plan, then apply*: a configuration becomes an ordered list of steps, purely.
//!
//! Nothing here opens a file or makes a system call, so a plan can be printed, compared and tested
//! anywhere. What the steps do is in `init`.

mod capabilities;
mod devices;
mod mount_options;
mod mounts;
mod namespaces;
mod process;
mod step;

use std::path::PathBuf;

use oci_spec::runtime::Hook;

use crate::seccomp;
use crate::spec::Spec;

pub(crate) use capabilities::CapabilitySets;
pub(crate) use mount_options::{MountChange, NAMES as MOUNT_OPTION_NAMES};
pub(crate) use namespaces::{IdMap, NamespacePlan, kind_of as namespace_kind};
pub(crate) use process::{ProcessPlan, Terminal, plan as plan_process};
pub(crate) use step::{BindMount, CgroupMount, DeviceNode, FsMount, Identity, Owners, Step};

/// A configuration that cannot be carried out. The words are runc's where runc has words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("namespace {{{kind:?} {path:?}}} does not exist")]
    UnknownNamespace { kind: String, path: String },
    #[error("malformed spec file: duplicated ns {{{kind:?} {path:?}}}")]
    DuplicateNamespace { kind: String, path: String },
    #[error("{what} needs a new {namespace} namespace")]
    NeedsNamespace {
        what: &'static str,
        namespace: &'static str,
    },
    #[error("sysctl {key:?} is not in a separate kernel namespace")]
    SysctlNotSeparate { key: String },
    #[error("sysctl {key:?} is not allowed in the hosts network namespace")]
    SysctlHostNetwork { key: String },
    #[error("sysctl {key:?} is no name of a file below /proc/sys")]
    SysctlName { key: String },
    #[error("wrong rlimit value: {kind}")]
    UnknownRlimit { kind: String },
    #[error("invalid mount {destination:?}: mount destination not absolute")]
    RelativeDestination { destination: PathBuf },
    #[error("{destination:?} cannot be mounted because it is inside /proc")]
    InsideProc { destination: PathBuf },
    #[error("invalid mount {destination:?}: a bind mount needs a source")]
    NoSource { destination: PathBuf },
    #[error("invalid mount {destination:?}: id-mapped mounts {why}")]
    IdMapped {
        destination: PathBuf,
        why: &'static str,
    },
    #[error("invalid device {path:?}: not an absolute path without \"..\"")]
    DevicePath { path: PathBuf },
    #[error("invalid device {path:?}: number {major}:{minor} out of range")]
    DeviceNumber {
        path: PathBuf,
        major: i64,
        minor: i64,
    },
    #[error("rootfsPropagation={value} is not supported")]
    Propagation { value: String },
    #[error("unknown personality domain {domain:?}")]
    Personality { domain: String },
    #[error("{field} is not supported")]
    Unsupported { field: &'static str },
    #[error(transparent)]
    Seccomp(#[from] seccomp::SeccompError),
}

/// Choices of the caller that are not in the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Change the root by `chroot` instead of `pivot_root` (a root file system on a ramdisk).
    pub(crate) no_pivot: bool,
    /// Share the caller's session keyring.
    pub(crate) no_new_keyring: bool,
    /// The machine has cgroups of version 2.
    pub(crate) cgroup_v2: bool,
}

/// Everything about one container that follows from its configuration alone.
#[derive(Debug)]
pub(crate) struct ContainerPlan {
    pub(crate) namespaces: NamespacePlan,
    /// What the first process does before it becomes the user's program.
    pub(crate) steps: Vec<Step>,
    pub(crate) process: ProcessPlan,
    pub(crate) hooks: HookPlan,
    /// To be logged.
    pub(crate) warnings: Vec<String>,
}

/// The hooks that the runtime itself runs, by kind, in order.
#[derive(Debug, Default, Clone)]
pub(crate) struct HookPlan {
    pub(crate) prestart: Vec<Hook>,
    pub(crate) create_runtime: Vec<Hook>,
    pub(crate) poststart: Vec<Hook>,
    pub(crate) poststop: Vec<Hook>,
}

impl HookPlan {
    /// The runtime's hooks of a configuration.
    pub(crate) fn of(spec: &Spec) -> Self {
        let Some(hooks) = &spec.hooks else {
            return Self::default();
        };
        let list = |hooks: &Option<Vec<Hook>>| hooks.clone().unwrap_or_default();
        Self {
            prestart: list(hooks.prestart()),
            create_runtime: list(hooks.create_runtime()),
            poststart: list(hooks.poststart()),
            poststop: list(hooks.poststop()),
        }
    }
}

/// Plans a container.
pub(crate) fn plan(spec: &Spec, id: &str, options: Options) -> Result<ContainerPlan, PlanError> {
    refuse_unsupported(spec)?;
    let namespaces = namespaces::plan(spec)?;
    let process_spec = spec.process.as_ref().ok_or(PlanError::Unsupported {
        field: "no process",
    })?;
    let mut warnings = Vec::new();
    let process = process::plan(process_spec, spec.linux.seccomp.as_ref(), &mut warnings)?;
    let mut steps = Vec::with_capacity(64);
    if !options.no_new_keyring {
        steps.push(Step::NewKeyring(format!("_ses.{id}")));
    }
    if namespaces.makes_cgroup() {
        steps.push(Step::NewCgroupNamespace);
    }
    if namespaces.makes_network() {
        steps.push(Step::LoopbackUp);
    }
    mounts::plan(spec, &namespaces, options, &mut steps)?;
    identity_of_host(spec, &namespaces, &mut steps)?;
    sysctls(spec, &namespaces, &mut steps)?;
    steps.extend(
        spec.linux
            .readonly_paths
            .iter()
            .cloned()
            .map(Step::ReadonlyPath),
    );
    steps.extend(spec.linux.masked_paths.iter().cloned().map(Step::MaskPath));
    let hooks = HookPlan::of(spec);
    if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
        steps.push(Step::RuntimeHooks);
    }
    if let Some(hooks) = spec
        .hooks
        .as_ref()
        .and_then(|hooks| hooks.create_container().clone())
    {
        steps.push(Step::ContainerHooks(hooks));
    }
    mounts::enter_root(spec, &namespaces, options, &mut steps)?;
    if let Some(personality) = &spec.linux.personality {
        steps.push(process::personality(personality)?);
    }
    Ok(ContainerPlan {
        namespaces,
        steps,
        process,
        hooks,
        warnings,
    })
}

/// What a later version may bring. Silence would be worse than an error.
fn refuse_unsupported(spec: &Spec) -> Result<(), PlanError> {
    let linux = &spec.linux;
    let process = spec.process.as_ref();
    let asked = [
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.netDevices", !linux.net_devices.is_empty()),
        ("linux.memoryPolicy", linux.memory_policy.is_some()),
        ("linux.mountLabel", !linux.mount_label.is_empty()),
        ("linux.timeOffsets", !linux.time_offsets.is_empty()),
        (
            "process.scheduler",
            process.is_some_and(|process| process.scheduler.is_some()),
        ),
        (
            "process.ioPriority",
            process.is_some_and(|process| process.io_priority.is_some()),
        ),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((field, _)) => Err(PlanError::Unsupported { field }),
        None => Ok(()),
    }
}

fn identity_of_host(
    spec: &Spec,
    namespaces: &NamespacePlan,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
    for (what, name, step) in [
        (
            "hostname",
            &spec.hostname,
            Step::Hostname as fn(String) -> Step,
        ),
        ("domainname", &spec.domainname, Step::Domainname),
    ] {
        if name.is_empty() {
            continue;
        }
        if !namespaces.separate("uts") {
            return Err(PlanError::NeedsNamespace {
                what,
                namespace: "uts",
            });
        }
        steps.push(step(name.clone()));
    }
    Ok(())
}

/// Sysctls that are the kernel's, not a namespace's, would change the host.
fn sysctls(
    spec: &Spec,
    namespaces: &NamespacePlan,
    steps: &mut Vec<Step>,
) -> Result<(), PlanError> {
    const IPC: [&str; 7] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
    ];
    for (written, value) in &spec.linux.sysctl {
        let path = written.replace('.', "/");
        if path.split('/').any(|part| part.is_empty() || part == "..") {
            return Err(PlanError::SysctlName {
                key: written.clone(),
            });
        }
        let key = written.replace('/', ".");
        let ipc = IPC.contains(&key.as_str())
            || key == "kernel.shm_rmid_forced"
            || key.starts_with("fs.mqueue.");
        let separate = if ipc {
            namespaces.separate("ipc")
        } else if key.starts_with("net.") {
            if !namespaces.separate("network") {
                return Err(PlanError::SysctlHostNetwork { key });
            }
            true
        } else if key == "kernel.domainname" || key == "kernel.hostname" {
            namespaces.separate("uts")
        } else {
            key.starts_with("user.") && namespaces.separate("user")
        };
        if !separate {
            return Err(PlanError::SysctlNotSeparate { key });
        }
        // Dots in a device's name are written as slashes: what the writer meant as a separator is
        // whatever comes first.
        let path = if written.contains('/') && written.find('/') < written.find('.') {
            written.clone()
        } else {
            path
        };
        steps.push(Step::Sysctl {
            path: PathBuf::from(path),
            value: value.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
