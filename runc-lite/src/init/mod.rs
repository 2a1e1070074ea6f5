//! What happens inside the new process, from its birth to the user's program.
//!
//! The process has one thread and begins as a copy of the runtime. It carries out the steps of the
//! plan one after the other, tells the parent through its channel, and becomes the program. Paths of
//! the container are only resolved beneath the root's descriptor (`resolve`), never by string; files
//! of `/proc` only through the descriptor of the host's `/proc` taken before anything was mounted.

mod cgroup_mount;
mod console;
mod devices;
mod error;
mod identity;
mod masks;
mod mounts;
mod procfs;
mod program;
mod resolve;
mod rootfs;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use gantry_cgroup::{Cgroup, Layout};
use gantry_linux::namespace::Namespaces;
use gantry_linux::seccomp::Instruction;
use gantry_linux::{keyring, loopback, namespace, personality, rlimit, seccomp};
use rustix::fs::Mode;

use crate::hooks::{self, HookKind, HookState};
use crate::launch::{Channel, Message};
use crate::plan::{Step, Terminal};

pub(crate) use error::InitError;
pub(crate) use mounts::mapped_trees;
pub(crate) use procfs::Proc;
pub(crate) use program::{Program, become_program};

/// What the steps work with.
#[derive(Debug)]
pub(crate) struct Init<'a> {
    pub(crate) channel: &'a Channel,
    /// The host's `/proc`.
    pub(crate) proc: Proc,
    /// The root file system's mount, once it is one.
    pub(crate) root: Option<OwnedFd>,
    /// Trees whose owners are mapped, for the steps that attach them.
    pub(crate) mapped: VecDeque<OwnedFd>,
    /// Mounts to be made read-only at the end.
    pub(crate) to_seal: Vec<OwnedFd>,
    /// An empty directory, mounted once and shown wherever one is masked.
    pub(crate) empty: Option<OwnedFd>,
    pub(crate) terminal: Option<Terminal>,
    /// Where the master of the pseudoterminal is sent.
    pub(crate) console_socket: Option<BorrowedFd<'a>>,
    pub(crate) filter: Option<&'a (Vec<Instruction>, u64)>,
    pub(crate) cgroup: Option<(&'a Layout, &'a Cgroup)>,
    pub(crate) hook_state: Option<&'a HookState>,
    /// Whose the terminal is.
    pub(crate) uid: u32,
}

impl Init<'_> {
    /// Carries out the steps in order.
    pub(crate) fn run(&mut self, steps: &[Step]) -> Result<(), InitError> {
        steps.iter().try_for_each(|step| self.apply(step))
    }

    /// The root that paths are resolved in.
    pub(crate) fn root(&self) -> Result<BorrowedFd<'_>, InitError> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(InitError::NoRoot)
    }

    fn apply(&mut self, step: &Step) -> Result<(), InitError> {
        match step {
            Step::HostPropagation(_)
            | Step::BindRoot(_)
            | Step::Mount(_)
            | Step::Bind(_)
            | Step::MountCgroup(_)
            | Step::Device(_)
            | Step::DeviceLinks
            | Step::Console
            | Step::SealReadonly
            | Step::ReadonlyPath(_)
            | Step::MaskPath(_)
            | Step::MakeDirectory(_)
            | Step::RootParentPrivate(_)
            | Step::PivotRoot
            | Step::PivotSharedRoot
            | Step::MoveRoot
            | Step::RootPropagation(..)
            | Step::RootReadonly => self.apply_to_files(step),
            Step::NewKeyring(_)
            | Step::NewCgroupNamespace
            | Step::LoopbackUp
            | Step::Hostname(_)
            | Step::Domainname(_)
            | Step::Sysctl { .. }
            | Step::RuntimeHooks
            | Step::ContainerHooks(_) => self.apply_to_surroundings(step),
            Step::Personality(_)
            | Step::Umask(_)
            | Step::Rlimit { .. }
            | Step::SecurityLabel(_)
            | Step::Identity(_)
            | Step::NoNewPrivileges
            | Step::Seccomp => self.apply_to_process(step),
        }
    }

    fn apply_to_files(&mut self, step: &Step) -> Result<(), InitError> {
        match step {
            Step::HostPropagation(kind) => rootfs::host_propagation(*kind),
            Step::BindRoot(path) => self.bind_root(path),
            Step::Mount(mount) => self.mount(mount),
            Step::Bind(bind) => self.bind(bind),
            Step::MountCgroup(mount) => self.mount_cgroup(mount),
            Step::Device(device) => self.device(device),
            Step::DeviceLinks => self.device_links(),
            Step::Console => self.open_console(),
            Step::SealReadonly => self.seal(),
            Step::ReadonlyPath(path) => self.readonly_path(path),
            Step::MaskPath(path) => self.mask_path(path),
            Step::MakeDirectory(path) => self.make_directory(path),
            Step::RootParentPrivate(path) => rootfs::parent_private(path),
            Step::PivotRoot => self.pivot_root(),
            Step::PivotSharedRoot => self.pivot_shared_root(),
            Step::MoveRoot => self.move_root(),
            Step::RootPropagation(kind, recursive) => rootfs::propagation(*kind, *recursive),
            Step::RootReadonly => rootfs::readonly(),
            other => unreachable!("{other:?} does not concern files"),
        }
    }

    fn apply_to_surroundings(&mut self, step: &Step) -> Result<(), InitError> {
        match step {
            Step::NewKeyring(name) => new_keyring(name),
            Step::NewCgroupNamespace => {
                namespace::unshare(Namespaces::CGROUP).map_err(InitError::CgroupNamespace)
            }
            Step::LoopbackUp => loopback::up().map_err(InitError::Loopback),
            Step::Hostname(name) => {
                rustix::system::sethostname(name.as_bytes()).map_err(|source| InitError::Hostname {
                    name: name.clone(),
                    source: source.into(),
                })
            }
            Step::Domainname(name) => {
                rustix::system::setdomainname(name.as_bytes()).map_err(|source| {
                    InitError::Hostname {
                        name: name.clone(),
                        source: source.into(),
                    }
                })
            }
            Step::Sysctl { path, value } => self.proc.sysctl(path, value),
            Step::RuntimeHooks => self
                .channel
                .ask(&Message::RunHooks)
                .map_err(InitError::Channel),
            Step::ContainerHooks(list) => match self.hook_state {
                Some(state) => Ok(hooks::run(HookKind::CreateContainer, list, state)?),
                None => Ok(()),
            },
            other => unreachable!("{other:?} does not concern the surroundings"),
        }
    }

    fn apply_to_process(&mut self, step: &Step) -> Result<(), InitError> {
        match step {
            Step::Personality(domain) => personality::set(*domain).map_err(InitError::Personality),
            Step::Umask(mask) => {
                rustix::process::umask(Mode::from_raw_mode(*mask));
                Ok(())
            }
            Step::Rlimit {
                number, soft, hard, ..
            } => rlimit::set(*number, *soft, *hard).map_err(|source| InitError::Rlimit {
                number: *number,
                source,
            }),
            Step::SecurityLabel(label) => self.proc.security_label(label),
            Step::Identity(identity) => self.become_identity(identity),
            Step::NoNewPrivileges => rustix::thread::set_no_new_privs(true)
                .map_err(|source| InitError::NoNewPrivileges(source.into())),
            Step::Seccomp => match self.filter {
                Some((program, flags)) => {
                    seccomp::load(program, *flags).map_err(InitError::Seccomp)
                }
                None => Ok(()),
            },
            other => unreachable!("{other:?} does not concern the process"),
        }
    }
}

/// A kernel without keyrings, or a user over the quota of keys, is no reason not to run.
fn new_keyring(name: &str) -> Result<(), InitError> {
    let name = std::ffi::CString::new(name).expect("an id has no NUL byte");
    match keyring::join_session(&name) {
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(()),
        other => other.map_err(InitError::Keyring),
    }
}
