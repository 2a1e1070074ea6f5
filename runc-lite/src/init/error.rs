//! What can fail between clone and exec. The words are runc's where clients know runc's words.

use std::io;
use std::path::PathBuf;

use crate::hooks::HookError;

/// A failed step. Crosses the channel as text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    #[error("there is no root file system yet")]
    NoRoot,
    #[error("the tree of an id-mapped mount was not made")]
    NoTree,
    #[error("talk to the runtime")]
    Channel(#[source] io::Error),
    #[error("join session keyring")]
    Keyring(#[source] io::Error),
    #[error("unshare cgroup namespace")]
    CgroupNamespace(#[source] io::Error),
    #[error("make the process")]
    Clone(#[source] io::Error),
    #[error("join namespace {path}", path = path.display())]
    JoinNamespace {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Cgroup(#[from] gantry_cgroup::CgroupError),
    #[error("become root of the user namespace")]
    UserNamespaceRoot(#[source] io::Error),
    #[error("open /proc of the host")]
    Proc(#[source] io::Error),
    #[error("set the loopback device up")]
    Loopback(#[source] io::Error),
    #[error("set host name {name:?}")]
    Hostname {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("change propagation of the host's mounts")]
    HostPropagation(#[source] io::Error),
    #[error("mount root file system {path}", path = path.display())]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("create mount point for {destination}", destination = destination.display())]
    MountPoint {
        destination: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("error mounting {from:?} to rootfs at {destination:?}: {step}")]
    Mount {
        from: String,
        destination: PathBuf,
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("failed to fulfil mount request: open {path}", path = path.display())]
    BindSource {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("create device {path}", path = path.display())]
    Device {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} exists and is another device", path = path.display())]
    OtherDevice { path: PathBuf },
    #[error("create link {path}")]
    DeviceLink {
        path: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("make {path} read-only", path = path.display())]
    Readonly {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("mask {path}", path = path.display())]
    Mask {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the host's /dev/null is not the null device")]
    NotNull,
    #[error("console: {step}")]
    Console {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("pivot_root")]
    PivotRoot(#[source] io::Error),
    #[error("open sysctl {path} file", path = path.display())]
    Sysctl {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("write sysctl {path} = {value:?}", path = path.display())]
    SysctlValue {
        path: PathBuf,
        value: String,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("set personality")]
    Personality(#[source] io::Error),
    #[error("failed to update /proc/self/oom_score_adj")]
    OomScore(#[source] io::Error),
    #[error("error setting rlimits for ready process: error setting rlimit type {number}")]
    Rlimit {
        number: u32,
        #[source]
        source: io::Error,
    },
    #[error("set security label {label:?}")]
    SecurityLabel {
        label: String,
        #[source]
        source: io::Error,
    },
    #[error("setgroups")]
    SetGroups(#[source] io::Error),
    #[error("setgid")]
    SetGid(#[source] io::Error),
    #[error("setuid")]
    SetUid(#[source] io::Error),
    #[error("start a session")]
    Session(#[source] io::Error),
    #[error("unable to apply bounding set")]
    Bounding(#[source] io::Error),
    #[error("unable to apply caps: can't apply capabilities")]
    Capabilities(#[source] io::Error),
    #[error("mkdir {path}", path = path.display())]
    MakeCwd {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("chdir to cwd ({path:?}) set in config.json failed")]
    Cwd {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("current working directory is outside of container mount namespace root")]
    CwdOutside,
    #[error("set no_new_privs")]
    NoNewPrivileges(#[source] io::Error),
    #[error("unable to init seccomp: error loading seccomp filter into kernel")]
    Seccomp(#[source] io::Error),
    #[error("exec: {name:?}: executable file not found in $PATH")]
    NotInPath { name: String },
    #[error("exec: {name:?}: stat {name}")]
    Stat {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("exec: {name:?}: is a directory")]
    IsDirectory { name: String },
    #[error("exec: {name:?}: permission denied")]
    NotExecutable { name: String },
    #[error("wait for start")]
    WaitForStart(#[source] io::Error),
}
