//! The process's side: from its birth to the user's program.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use gantry_cgroup::{Cgroup, Joiner, Layout};
use gantry_errors::chain;
use gantry_linux::clone::{CloneOptions, spawn};
use gantry_linux::namespace::{self, Namespaces};
use oci_spec::runtime::Hook;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Gid, Mode, Uid};

use crate::hooks::{self, HookKind, HookState};
use crate::init::{Init, InitError, Proc, Program, become_program};
use crate::launch::{Channel, Message};
use crate::plan::{NamespacePlan, ProcessPlan, Step};

/// How the process learns that it may become the program.
#[derive(Debug)]
pub(crate) enum Start {
    /// `create`: somebody writes to the start fifo.
    Fifo(OwnedFd),
    /// `run`, `exec`: the runtime says so.
    Told,
}

/// How the process gets into its control group.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// By itself; on version 2 it is born there.
    Joins(&'a Joiner),
    /// The runtime sees to it when asked: the group is made with the process in it.
    Asks,
}

/// Everything that the process is born with. Descriptors in it are close-on-exec.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) namespaces: &'a NamespacePlan,
    /// Namespaces to join, opened by the runtime, in order.
    pub(crate) joined: Vec<(Namespaces, PathBuf, OwnedFd)>,
    /// What the steps attach and the process may not make ([`mapped_trees`](crate::init::mapped_trees)).
    pub(crate) mapped: VecDeque<OwnedFd>,
    /// Steps before the process's own.
    pub(crate) steps: &'a [Step],
    pub(crate) process: &'a ProcessPlan,
    pub(crate) place: Place<'a>,
    pub(crate) cgroup: Option<(&'a Layout, &'a Cgroup)>,
    pub(crate) start: Start,
    pub(crate) start_hooks: &'a [Hook],
    pub(crate) hook_state: Option<HookState>,
    pub(crate) console_socket: Option<BorrowedFd<'a>>,
    /// Descriptors 3 to 2+N go to the program.
    pub(crate) preserved: u32,
    /// The container's first process, not one that `exec` adds.
    pub(crate) is_first: bool,
}

/// Runs in the new process. Comes back only with the code of a failure.
pub(crate) fn be_born(birth: Birth<'_>, channel: &Channel) -> u8 {
    tell(live(birth, channel), channel)
}

/// Says what failed; the code to end with.
fn tell(result: Result<Never, InitError>, channel: &Channel) -> u8 {
    let error = match result {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let _runtime_gone = channel.send(&Message::Failed(chain(&error).to_string()));
    1
}

enum Never {}

fn live(mut birth: Birth<'_>, channel: &Channel) -> Result<Never, InitError> {
    // Before any namespace is joined: the procfs is the host's, and only the host's root may lower an
    // OOM score.
    let proc = Proc::open().map_err(InitError::Proc)?;
    if let Some(score) = birth.process.oom_score {
        proc.oom_score(score)?;
    }
    match birth.place {
        Place::Joins(joiner) => joiner.enter()?,
        Place::Asks => channel.ask(&Message::Place).map_err(InitError::Channel)?,
    }
    if birth.namespaces.joins_before_clone() {
        return stage_one(birth, channel, proc);
    }
    join_all(&birth.joined)?;
    birth.joined.clear();
    second_life(birth, channel, proc)
}

/// Joins what must be joined first, makes the real process as a sibling, and ends; the sibling tells its
/// number.
fn stage_one(mut birth: Birth<'_>, channel: &Channel, proc: Proc) -> Result<Never, InitError> {
    join_all(&birth.joined)?;
    birth.joined.clear();
    if birth
        .namespaces
        .join
        .iter()
        .any(|(kind, _)| *kind == Namespaces::USER)
    {
        become_root()?;
    }
    let options = CloneOptions {
        namespaces: birth.namespaces.make,
        cgroup: None,
        sibling: true,
    };
    let sibling = move || tell(second_life(birth, channel, proc), channel);
    spawn(&options, sibling).map_err(InitError::Clone)?;
    std::process::exit(0)
}

fn join_all(joined: &[(Namespaces, PathBuf, OwnedFd)]) -> Result<(), InitError> {
    for (kinds, path, descriptor) in joined {
        namespace::join(descriptor.as_fd(), *kinds).map_err(|source| InitError::JoinNamespace {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

fn become_root() -> Result<(), InitError> {
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    let change = || -> rustix::io::Result<()> {
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)
    };
    change().map_err(|source| InitError::UserNamespaceRoot(source.into()))
}

/// In the namespaces and the cgroup: the steps, the wait, the program.
fn second_life(mut birth: Birth<'_>, channel: &Channel, proc: Proc) -> Result<Never, InitError> {
    if birth.namespaces.joins_before_clone() {
        // Said by itself and not by its maker, who may be slower: the runtime must know whom it hears
        // before it hears anything else.
        let pid = proc.own_pid().map_err(InitError::Proc)?;
        channel
            .send(&Message::Sibling(pid))
            .map_err(InitError::Channel)?;
    }
    if birth.namespaces.makes_user() {
        channel.ask(&Message::MapIds).map_err(InitError::Channel)?;
        become_root()?;
    }
    rustix::process::setsid().map_err(|source| InitError::Session(source.into()))?;
    rustix::process::umask(Mode::empty());
    if let (Some(state), Ok(pid)) = (&mut birth.hook_state, proc.own_pid()) {
        state.pid = pid;
    }
    let process = birth.process;
    let mut init = Init {
        channel,
        proc,
        root: None,
        mapped: birth.mapped,
        to_seal: Vec::new(),
        empty: None,
        terminal: process.terminal,
        console_socket: birth.console_socket,
        filter: process.filter.as_ref(),
        cgroup: birth.cgroup,
        hook_state: birth.hook_state.as_ref(),
        uid: process.uid,
    };
    init.run(birth.steps)?;
    // Nothing of the host stays open while paths that the configuration chose are looked up.
    init.root = None;
    init.empty = None;
    if !birth.is_first && process.terminal.is_some() {
        init.open_console_of_running()?;
    }
    init.run(&process.steps)?;
    drop(init);
    let mut program = Program::find(&process.args, &process.env, process.uid)?;
    if birth.preserved > 0
        && let Some(inherited) = std::env::var_os("LISTEN_FDS")
    {
        program.set_variable("LISTEN_FDS", &inherited.to_string_lossy());
        program.set_variable("LISTEN_PID", "1");
    }
    channel.send(&Message::Ready).map_err(InitError::Channel)?;
    match birth.start {
        Start::Fifo(fifo) => wait_on(&fifo).map_err(InitError::WaitForStart)?,
        Start::Told => channel.wait_for_go().map_err(InitError::WaitForStart)?,
    }
    if let Some(state) = &birth.hook_state {
        let state = HookState {
            status: "created",
            ..state.clone()
        };
        hooks::run(HookKind::StartContainer, birth.start_hooks, &state)?;
    }
    become_program(&program, 3 + birth.preserved)
}

/// Waits until `start` writes its byte. The fifo is open for reading only, so that `start` finds out
/// by `ENXIO` that nobody waits any more.
fn wait_on(fifo: &OwnedFd) -> io::Result<()> {
    loop {
        let mut polled = [PollFd::new(fifo, PollFlags::IN)];
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let mut byte = [0];
        match File::from(fifo.try_clone()?).read(&mut byte) {
            Ok(1) => return Ok(()),
            // A writer came and went without a word: wait for one that means it. Opening anew would
            // need the host's path, and poll does not block on a hung-up fifo.
            Ok(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
