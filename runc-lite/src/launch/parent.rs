//! The runtime's side of the conversation.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use gantry_cgroup::{CgroupError, Joiner};
use gantry_linux::clone::{CloneOptions, spawn};
use gantry_linux::namespace::Namespaces;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open};

use crate::hooks::{self, HookError, HookKind, HookState};
use crate::launch::child::{Birth, be_born};
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
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// What the process itself said.
    #[error("{prefix}{text}")]
    Init { prefix: &'static str, text: String },
    #[error("unable to start container process: error during container init")]
    Hook(#[from] HookError),
    #[error("the process ended without saying why")]
    Silent,
}

/// What to make.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) birth: Birth<'a>,
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
    let (ours, theirs) = Channel::pair().map_err(LaunchError::Channel)?;
    let Request {
        birth,
        hooks,
        prefix,
    } = request;
    let namespaces = birth.namespaces;
    let early = namespaces.joins_before_clone();
    let joiner = birth.joiner;
    let options = CloneOptions {
        namespaces: if early {
            Namespaces::empty()
        } else {
            namespaces.make
        },
        cgroup: joiner.and_then(Joiner::clone_into),
        sibling: false,
    };
    let child = spawn(&options, || be_born(birth, &theirs)).map_err(LaunchError::Clone)?;
    drop(theirs);
    let (mut pid, mut pidfd) = (child.pid, child.pidfd);
    if early {
        (pid, pidfd) = follow_sibling(&ours, pid, &pidfd, prefix)?;
    }
    let conversation = Conversation {
        channel: &ours,
        pid,
        namespaces,
        hooks,
        prefix,
    };
    match conversation.hold() {
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

/// The first process has made the real one, told its number and ended.
fn follow_sibling(
    channel: &Channel,
    first: Pid,
    first_pidfd: &OwnedFd,
    prefix: &'static str,
) -> Result<(Pid, OwnedFd), LaunchError> {
    let told = channel.receive().map_err(LaunchError::Channel)?;
    let result = match told {
        Some(Message::Sibling(pid)) => Pid::from_raw(pid).ok_or(LaunchError::Silent),
        Some(Message::Failed(text)) => Err(LaunchError::Init { prefix, text }),
        _ => Err(LaunchError::Silent),
    };
    let Ok(pid) = result else {
        kill_and_reap(first, first_pidfd);
        return Err(result.err().unwrap_or(LaunchError::Silent));
    };
    let _reaped = rustix::process::waitpid(Some(first), WaitOptions::empty());
    // It is our child and nobody has waited for it, so the number still means it.
    let pidfd =
        pidfd_open(pid, PidfdFlags::empty()).map_err(|source| LaunchError::Clone(source.into()))?;
    Ok((pid, pidfd))
}

struct Conversation<'a> {
    channel: &'a Channel,
    pid: Pid,
    namespaces: &'a NamespacePlan,
    hooks: Option<(&'a HookPlan, HookState)>,
    prefix: &'static str,
}

impl Conversation<'_> {
    fn hold(&self) -> Result<(), LaunchError> {
        loop {
            match self.channel.receive().map_err(LaunchError::Channel)? {
                Some(Message::Ready) => return Ok(()),
                Some(Message::MapIds) => {
                    map_ids(
                        self.pid,
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
                Some(Message::Sibling(_) | Message::Go) | None => return Err(LaunchError::Silent),
            }
        }
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
            pid: self.pid.as_raw_nonzero().get(),
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
