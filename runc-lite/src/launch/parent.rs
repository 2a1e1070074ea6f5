//! The runtime's side of the conversation.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use gantry_cgroup::{CgroupError, SystemdError};
use gantry_linux::clone::{Child, CloneOptions, spawn};
use gantry_linux::namespace::Namespaces;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open};

use crate::hooks::{self, HookError, HookKind, HookState};
use crate::init::{InitError, mapped_trees};
use crate::launch::child::{Birth, Place, be_born};
use crate::launch::userns::map_ids;
use crate::launch::{Channel, Message};
use crate::log;
use crate::plan::{HookPlan, NamespacePlan};

/// A process that was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("make the channel to the process")]
    Channel(#[source] io::Error),
    #[error("namespace {path}", path = path.display())]
    Namespace {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("lstat {path}: no such file or directory", path = path.display())]
    NoNamespace { path: PathBuf },
    #[error("clone the process")]
    Clone(#[source] io::Error),
    #[error("write the id maps of the user namespace")]
    MapIds(#[source] io::Error),
    #[error("unable to start container process: error during container init")]
    MappedMount(#[source] InitError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("unable to start unit")]
    Systemd(#[from] SystemdError),
    /// What the process itself said.
    #[error("{prefix}{text}")]
    Init { prefix: &'static str, text: String },
    #[error("unable to start container process: error during container init")]
    Hook(#[from] HookError),
    #[error("the process ended without saying why")]
    Silent,
}

/// Puts a process into its control group ([`Place::Asks`]).
type Placer<'a> = &'a dyn Fn(Pid) -> Result<(), LaunchError>;

/// What to make.
pub(crate) struct Request<'a> {
    pub(crate) birth: Birth<'a>,
    pub(crate) placer: Placer<'a>,
    /// The runtime's hooks, for a container that is being made.
    pub(crate) hooks: Option<(&'a HookPlan, HookState)>,
    /// What the process's own failures are told under.
    pub(crate) prefix: &'static str,
}

/// A process that has everything in place and waits to become the program.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    channel: Channel,
}

impl Launched {
    /// Lets a process that waits for the runtime's word become the program.
    pub(crate) fn go(&self) -> io::Result<()> {
        self.channel.send(&Message::Go)
    }

    /// Ends a process that must not go on.
    pub(crate) fn abandon(&self) {
        kill_and_reap(self.pid, &self.pidfd);
    }
}

/// Opens the namespaces that are to be joined, while their paths can still be seen.
pub(crate) fn open_namespaces(
    plan: &NamespacePlan,
) -> Result<Vec<(Namespaces, PathBuf, OwnedFd)>, LaunchError> {
    plan.join
        .iter()
        .map(|(kind, path)| Ok((*kind, path.clone(), open_namespace(path)?)))
        .collect()
}

fn open_namespace(path: &Path) -> Result<OwnedFd, LaunchError> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
        if error == rustix::io::Errno::NOENT {
            return LaunchError::NoNamespace {
                path: path.to_owned(),
            };
        }
        LaunchError::Namespace {
            path: path.to_owned(),
            source: error.into(),
        }
    })
}

/// Makes the process and talks it through until it is ready. On failure nothing of it is left.
pub(crate) fn launch(mut request: Request<'_>) -> Result<Launched, LaunchError> {
    if request.birth.joined.is_empty() {
        request.birth.joined = open_namespaces(request.birth.namespaces)?;
    }
    request.birth.mapped = mapped_trees(request.birth.steps).map_err(LaunchError::MappedMount)?;
    let (ours, theirs) = Channel::pair().map_err(LaunchError::Channel)?;
    let Request {
        birth,
        placer,
        hooks,
        prefix,
    } = request;
    let namespaces = birth.namespaces;
    let options = CloneOptions {
        namespaces: if namespaces.joins_before_clone() {
            Namespaces::empty()
        } else {
            namespaces.make
        },
        cgroup: match birth.place {
            Place::Joins(joiner) => joiner.clone_into(),
            Place::Asks => None,
        },
        sibling: false,
    };
    let process = spawn(&options, || be_born(birth, &theirs)).map_err(LaunchError::Clone)?;
    drop(theirs);
    let mut conversation = Conversation {
        channel: &ours,
        process,
        namespaces,
        placer,
        hooks,
        prefix,
    };
    let result = conversation.hold();
    let Child { pid, pidfd } = conversation.process;
    match result {
        Ok(()) => Ok(Launched {
            pid,
            pidfd,
            channel: ours,
        }),
        Err(error) => {
            kill_and_reap(pid, &pidfd);
            Err(error)
        }
    }
}

struct Conversation<'a> {
    channel: &'a Channel,
    /// Whom we talk to: first whom we made, then perhaps its sibling.
    process: Child,
    namespaces: &'a NamespacePlan,
    placer: Placer<'a>,
    hooks: Option<(&'a HookPlan, HookState)>,
    prefix: &'static str,
}

impl Conversation<'_> {
    fn hold(&mut self) -> Result<(), LaunchError> {
        loop {
            match self.channel.receive().map_err(LaunchError::Channel)? {
                Some(Message::Ready) => return Ok(()),
                Some(Message::Place) => {
                    (self.placer)(self.process.pid)?;
                    self.go()?;
                }
                Some(Message::Sibling(pid)) => self.follow(pid)?,
                Some(Message::MapIds) => {
                    map_ids(
                        self.process.pid,
                        &self.namespaces.uid_maps,
                        &self.namespaces.gid_maps,
                    )
                    .map_err(LaunchError::MapIds)?;
                    self.go()?;
                }
                Some(Message::RunHooks) => {
                    self.run_hooks()?;
                    self.go()?;
                }
                Some(Message::Warning(text)) => log::warning(&text),
                Some(Message::Failed(text)) => {
                    return Err(LaunchError::Init {
                        prefix: self.prefix,
                        text,
                    });
                }
                Some(Message::Go) | None => return Err(LaunchError::Silent),
            }
        }
    }

    /// The first process has made the real one, which says who it is; the first ends.
    fn follow(&mut self, pid: i32) -> Result<(), LaunchError> {
        let pid = Pid::from_raw(pid).ok_or(LaunchError::Silent)?;
        // It is our child and nobody has waited for it, so the number still means it.
        let pidfd = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|source| LaunchError::Clone(source.into()))?;
        let first = std::mem::replace(&mut self.process, Child { pid, pidfd });
        let _reaped = rustix::process::waitpid(Some(first.pid), WaitOptions::empty());
        Ok(())
    }

    fn go(&self) -> Result<(), LaunchError> {
        self.channel
            .send(&Message::Go)
            .map_err(LaunchError::Channel)
    }

    fn run_hooks(&self) -> Result<(), LaunchError> {
        let Some((plan, state)) = &self.hooks else {
            return Ok(());
        };
        let state = HookState {
            pid: self.process.pid.as_raw_nonzero().get(),
            ..state.clone()
        };
        hooks::run(HookKind::Prestart, &plan.prestart, &state)?;
        Ok(hooks::run(
            HookKind::CreateRuntime,
            &plan.create_runtime,
            &state,
        )?)
    }
}

fn kill_and_reap(pid: Pid, pidfd: &OwnedFd) {
    let _gone = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
    let _reaped = rustix::process::waitpid(Some(pid), WaitOptions::empty());
}
