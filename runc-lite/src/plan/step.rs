//! The steps: what the container's first process does to its surroundings, one thing each.

use std::path::PathBuf;

use gantry_linux::user_namespace::IdRange;
use oci_spec::runtime::Hook;
use rustix::fs::FileType;

use crate::plan::{CapabilitySets, MountChange};

/// One thing to do, in the container's namespaces, before the user's program runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A session keyring of its own.
    NewKeyring(String),
    /// A cgroup namespace whose root is the group joined before.
    NewCgroupNamespace,
    /// The loopback device of a new network namespace.
    LoopbackUp,
    /// Cut or loosen the new mount namespace's ties to the host's (`MS_SLAVE`, …, recursively).
    HostPropagation(u64),
    /// Make the root file system a mount of its own and the place that paths are resolved in.
    BindRoot(PathBuf),
    /// A new instance of a file system.
    Mount(FsMount),
    /// An existing tree of files.
    Bind(BindMount),
    /// The container's view of its control groups.
    MountCgroup(CgroupMount),
    /// A node in `/dev` or elsewhere.
    Device(DeviceNode),
    /// The links of `/dev`: `fd`, `stdin`, `stdout`, `stderr`, `core`, `ptmx`.
    DeviceLinks,
    /// The pseudoterminal and `/dev/console`.
    Console,
    /// Make read-only what had to be written until now.
    SealReadonly,
    Hostname(String),
    Domainname(String),
    /// A file below `/proc/sys`.
    Sysctl {
        path: PathBuf,
        value: String,
    },
    /// Visible, not writable.
    ReadonlyPath(PathBuf),
    /// Covered by nothing.
    MaskPath(PathBuf),
    /// The runtime runs `prestart` and `createRuntime` hooks; wait for it.
    RuntimeHooks,
    /// `createContainer` hooks: in the container's namespaces, before its root is the root.
    ContainerHooks(Vec<Hook>),
    /// The mount that the root is in keeps what happens inside to itself, in this namespace: for a
    /// container that shares its other mounts with the host.
    RootParentPrivate(PathBuf),
    /// The root of the process becomes the container's.
    PivotRoot,
    /// The same where mounts are shared with the host, which must not lose its own.
    PivotSharedRoot,
    /// The same for root file systems that cannot be pivoted to.
    MoveRoot,
    /// The working directory, if the image lacks it.
    MakeDirectory(PathBuf),
    /// Propagation of the new root (`MS_SHARED`, …), once it is one; the flag says recursively.
    RootPropagation(u64, bool),
    /// No writing to the root file system itself.
    RootReadonly,
    Personality(u64),
    Umask(u32),
    Rlimit {
        /// As the specification spells it.
        name: String,
        /// As the kernel numbers it.
        number: u32,
        soft: u64,
        hard: u64,
    },
    /// AppArmor profile or SELinux label for the program to come.
    SecurityLabel(String),
    /// Who the process is from now on.
    Identity(Identity),
    NoNewPrivileges,
    /// Load the system call filter.
    Seccomp,
}

/// A new instance of a file system, at a destination inside the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FsMount {
    pub(crate) destination: PathBuf,
    pub(crate) fs_type: String,
    pub(crate) source: String,
    pub(crate) change: MountChange,
    /// Options of the file system itself, `key` or `key=value`.
    pub(crate) data: Vec<(String, Option<String>)>,
}

/// A tree of the host's files, at a destination inside the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BindMount {
    pub(crate) destination: PathBuf,
    pub(crate) source: PathBuf,
    pub(crate) recursive: bool,
    pub(crate) change: MountChange,
    pub(crate) owners: Option<Owners>,
}

/// Whose files of a mount are shown as whose (`uidMappings` and `gidMappings` of a mount): `inside` is the number
/// on the disk, `outside` the one that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owners {
    pub(crate) users: Vec<IdRange>,
    pub(crate) groups: Vec<IdRange>,
    /// Of all that is mounted beneath too (`ridmap`).
    pub(crate) recursive: bool,
}

/// The container's control groups as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    pub(crate) destination: PathBuf,
    pub(crate) change: MountChange,
    /// The container has a cgroup namespace of its own.
    pub(crate) own_namespace: bool,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceNode {
    pub(crate) path: PathBuf,
    pub(crate) kind: DeviceKind,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The container cannot make nodes (user namespace): show the host's.
    pub(crate) bind: bool,
}

/// Kinds of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceKind {
    Block,
    Char,
    Fifo,
}

impl DeviceKind {
    /// The same for `mknod`.
    pub(crate) fn file_type(self) -> FileType {
        match self {
            Self::Block => FileType::BlockDevice,
            Self::Char => FileType::CharacterDevice,
            Self::Fifo => FileType::Fifo,
        }
    }
}

/// User, groups, capabilities, working directory: they change together, since each needs rights that
/// another takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// `None`: what the kernel makes of the change of user.
    pub(crate) capabilities: Option<CapabilitySets>,
    pub(crate) cwd: String,
}
