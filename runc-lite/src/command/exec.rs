//! `exec`: another process in a container that runs.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::PathBuf;

use gantry_cgroup::Cgroup;
use gantry_linux::namespace::Namespaces;

use crate::cli::{Flag, Global, Parsed};
use crate::command::create::preserved;
use crate::command::foreground::{self, Console};
use crate::command::sockets::Sockets;
use crate::command::{Count, Failure, HELP, Verb, container};
use crate::error::RunError;
use crate::launch::{Birth, Launched, Place, Request, Start, launch};
use crate::log;
use crate::plan::{NamespacePlan, ProcessPlan, namespace_kind, plan_process};
use crate::spec::{self, Process, Spec};
use crate::state::{Record, Status, open_process, write_pid_file};

pub(crate) const EXEC: Verb = Verb {
    name: "exec",
    help: "execute new process inside the container",
    arguments: "<container-id> <command> [command options]  || -p process.json <container-id>",
    flags: &[
        Flag::value(
            "console-socket",
            "AF_UNIX socket that receives the terminal's master",
        ),
        Flag::value(
            "pidfd-socket",
            "AF_UNIX socket that receives the process's pidfd",
        ),
        Flag::value("cwd", "current working directory in the container"),
        Flag::value("env", "set environment variables").short('e'),
        Flag::switch("tty", "allocate a pseudo-TTY").short('t'),
        Flag::value("user", "UID (format: <uid>[:<gid>])").short('u'),
        Flag::value("additional-gids", "additional gids").short('g'),
        Flag::value("process", "path to the process.json").short('p'),
        Flag::switch("detach", "do not wait for the process").short('d'),
        Flag::value("pid-file", "file to write the process id to"),
        Flag::value("process-label", "SELinux label of the process"),
        Flag::value("apparmor", "AppArmor profile of the process"),
        Flag::switch("no-new-privs", "set no_new_privs for the process"),
        Flag::value("cap", "add a capability to the process").short('c'),
        Flag::value(
            "preserve-fds",
            "pass N additional file descriptors to the process",
        ),
        Flag::value("cgroup", "run the process in an (existing) sub-cgroup"),
        Flag::switch("ignore-paused", "allow exec in a paused container"),
        HELP,
    ],
    count: Count::AtLeast(1),
    enters: true,
    run: |global, parsed| {
        // 255 tells a failed exec from a program that ended with 1.
        exec(global, parsed).map_err(|error| Failure {
            code: 255,
            ..Failure::of("exec", &error)
        })
    },
};

fn exec(global: &Global, parsed: &Parsed) -> Result<u8, RunError> {
    let (directory, record) = container::find(global, parsed.id())?;
    match Status::of(&record, &directory) {
        Status::Stopped => return Err(RunError::ExecStopped),
        Status::Paused if !parsed.has("ignore-paused") => return Err(RunError::ExecPaused),
        Status::Created | Status::Running | Status::Paused => {}
    }
    let (spec, _) = spec::load(&directory.config())?;
    let process = process_of(&spec, parsed)?;
    let mut warnings = Vec::new();
    let plan = plan_process(&process, spec.linux.seccomp.as_ref(), &mut warnings)?;
    warnings.iter().for_each(|text| log::warning(text));
    let detach = parsed.has("detach");
    let signals = if detach {
        None
    } else {
        Some(foreground::take_signals()?)
    };
    let current = std::env::current_dir().map_err(|source| RunError::Io {
        step: "getwd",
        source,
    })?;
    let sockets = Sockets::open(parsed, &current, process.terminal, true)?;
    let cgroup = record.cgroup().below(parsed.all("cgroup"))?;
    let target = Target {
        record: &record,
        spec: &spec,
        cgroup: &cgroup,
    };
    let launched = enter(&target, &plan, &sockets, preserved(parsed)?)?;
    let written = sockets.send_pidfd(&launched.pidfd).and_then(|()| {
        let Some(path) = parsed.get("pid-file") else {
            return Ok(());
        };
        let path = current.join(path);
        let pid = launched.pid.as_raw_nonzero().get();
        write_pid_file(&path, pid).map_err(|source| RunError::PidFile { path, source })
    });
    if let Err(error) = written.and_then(|()| launched.go().map_err(RunError::Start)) {
        launched.abandon();
        return Err(error);
    }
    let Some(signals) = signals else { return Ok(0) };
    let console = sockets.ours.map(Console::receive).transpose()?;
    foreground::wait(&launched, &signals, console)
}

/// Where the process goes.
struct Target<'a> {
    record: &'a Record,
    spec: &'a Spec,
    /// The container's, or one below it.
    cgroup: &'a Cgroup,
}

/// Makes the process in the container's namespaces and control group.
fn enter(
    target: &Target<'_>,
    plan: &ProcessPlan,
    sockets: &Sockets,
    preserved: u32,
) -> Result<Launched, RunError> {
    let Target {
        record,
        spec,
        cgroup,
    } = *target;
    let first = open_process(record).ok_or(RunError::ExecStopped)?;
    let mut kinds = Namespaces::empty();
    let mut namespaces = NamespacePlan::default();
    for namespace in &spec.linux.namespaces {
        if let Some(kind) = namespace_kind(&namespace.kind) {
            kinds = kinds.with(kind);
            namespaces.join.push((kind, PathBuf::from("/proc/pid/ns")));
        }
    }
    let joiner = cgroup.joiner()?;
    let path = PathBuf::from(format!("/proc/{}/ns", record.pid));
    let birth = Birth {
        namespaces: &namespaces,
        joined: vec![(
            kinds,
            path,
            first
                .as_fd()
                .try_clone_to_owned()
                .map_err(RunError::Start)?,
        )],
        mapped: VecDeque::new(),
        steps: &[],
        process: plan,
        place: Place::Joins(&joiner),
        cgroup: None,
        start: Start::Told,
        start_hooks: &[],
        hook_state: None,
        console_socket: sockets.console(),
        preserved,
        is_first: false,
    };
    Ok(launch(Request {
        birth,
        placer: &|_| Ok(()),
        hooks: None,
        prefix: "unable to start container process: ",
    })?)
}

/// The process of `--process`, or that of the container with another command and the flags' changes.
fn process_of(spec: &Spec, parsed: &Parsed) -> Result<Process, RunError> {
    if let Some(path) = parsed.get("process") {
        return Ok(spec::load_process(path.as_ref())?);
    }
    let mut process = spec.process.clone().unwrap_or_default();
    process.args = parsed.rest[1..].to_vec();
    process.terminal = parsed.has("tty");
    process.console_size = None;
    if let Some(cwd) = parsed.get("cwd") {
        cwd.clone_into(&mut process.cwd);
    }
    if let Some(label) = parsed.get("process-label") {
        label.clone_into(&mut process.selinux_label);
    }
    if let Some(profile) = parsed.get("apparmor") {
        profile.clone_into(&mut process.apparmor_profile);
    }
    process.no_new_privileges |= parsed.has("no-new-privs");
    process.env.extend(parsed.all("env").map(str::to_owned));
    if let Some(user) = parsed.get("user") {
        let bad = || RunError::Value {
            flag: "--user",
            value: user.to_owned(),
        };
        let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
        process.user.uid = uid.parse().map_err(|_| bad())?;
        process.user.gid = gid.parse().map_err(|_| bad())?;
    }
    for gid in parsed.all("additional-gids") {
        let bad = || RunError::Value {
            flag: "--additional-gids",
            value: gid.to_owned(),
        };
        process
            .user
            .additional_gids
            .push(gid.parse().map_err(|_| bad())?);
    }
    let added: Vec<String> = parsed.all("cap").map(str::to_owned).collect();
    if !added.is_empty() {
        let sets = process.capabilities.get_or_insert_default();
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.extend(added.iter().cloned());
        }
    }
    spec::check_process(&process)?;
    Ok(process)
}
