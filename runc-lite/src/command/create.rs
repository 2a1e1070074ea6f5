//! `create` and `run`: a bundle becomes a container.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use gantry_cgroup::{Cgroup, CgroupError, Layout, Unit};
use gantry_linux::exec;
use gantry_probe::trace;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::cli::{Flag, Global, Parsed};
use crate::command::foreground::{self, Console};
use crate::command::sockets::Sockets;
use crate::command::{Count, Failure, HELP, Verb, container, delete};
use crate::error::RunError;
use crate::hooks::{self, HookKind};
use crate::launch::{Birth, LaunchError, Launched, Place, Request, Start, launch};
use crate::log;
use crate::plan::{self, ContainerPlan, Options};
use crate::spec::{self, Spec};
use crate::state::{ContainerDirectory, Record, Store, process_start_time, write_pid_file};

const BUNDLE: Flag = Flag::value(
    "bundle",
    "path to the bundle (default: the current directory)",
)
.short('b');
const CONSOLE: Flag = Flag::value(
    "console-socket",
    "AF_UNIX socket that receives the terminal's master",
);
const PIDFD: Flag = Flag::value(
    "pidfd-socket",
    "AF_UNIX socket that receives the init process's pidfd",
);
const PID_FILE: Flag = Flag::value("pid-file", "file to write the process id to");
const NO_PIVOT: Flag = Flag::switch(
    "no-pivot",
    "do not use pivot_root (root file system on a ramdisk)",
);
const NO_KEYRING: Flag = Flag::switch("no-new-keyring", "share the caller's session keyring");
const PRESERVE: Flag = Flag::value(
    "preserve-fds",
    "pass N additional file descriptors to the container",
);

pub(crate) const CREATE: Verb = Verb {
    name: "create",
    help: "create a container",
    arguments: "<container-id>",
    flags: &[
        BUNDLE, CONSOLE, PIDFD, PID_FILE, NO_PIVOT, NO_KEYRING, PRESERVE, HELP,
    ],
    count: Count::Exactly(1),
    enters: true,
    run: |global, parsed| match create(global, parsed) {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure::of("runc create", &error)),
    },
};

pub(crate) const RUN: Verb = Verb {
    name: "run",
    help: "create and run a container",
    arguments: "<container-id>",
    flags: &[
        BUNDLE,
        CONSOLE,
        PIDFD,
        PID_FILE,
        NO_PIVOT,
        NO_KEYRING,
        PRESERVE,
        HELP,
        Flag::switch("detach", "do not wait for the container").short('d'),
        Flag::switch("keep", "do not delete the container after it exits"),
        Flag::switch("no-subreaper", "accepted for compatibility"),
    ],
    count: Count::Exactly(1),
    enters: true,
    run: |global, parsed| run(global, parsed).map_err(|error| Failure::of("runc run", &error)),
};

/// A container whose process waits.
struct Made {
    directory: ContainerDirectory,
    record: Record,
    launched: Launched,
    plan: ContainerPlan,
    console: Option<OwnedFd>,
}

/// Takes back what was made, unless told that all is well.
struct Undo<'a> {
    directory: Option<&'a ContainerDirectory>,
    cgroup: &'a Cgroup,
    unit: Option<&'a Unit>,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(directory) = self.directory {
            if let Some(Err(error)) = self.unit.map(Unit::stop) {
                log::warning(&crate::error::tell(&error));
            }
            if let Err(error) = self.cgroup.remove() {
                log::warning(&crate::error::tell(&error));
            }
            if let Err(error) = directory.remove() {
                log::warning(&crate::error::tell(&error));
            }
        }
    }
}

fn create(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    make(global, parsed, false).map(drop)
}

fn run(global: &Global, parsed: &Parsed) -> Result<u8, RunError> {
    let detach = parsed.has("detach");
    let signals = if detach {
        None
    } else {
        Some(foreground::take_signals()?)
    };
    let made = make(global, parsed, true)?;
    let result = made.launched.go().map_err(RunError::Start).and_then(|()| {
        let state = container::hook_state(&made.record, "running");
        Ok(hooks::run(
            HookKind::Poststart,
            &made.plan.hooks.poststart,
            &state,
        )?)
    });
    if let Err(error) = result {
        made.launched.abandon();
        delete::destroy(&made.directory, &made.record)?;
        return Err(error);
    }
    let Some(signals) = signals else { return Ok(0) };
    let console = made.console.map(Console::receive).transpose()?;
    let code = foreground::wait(&made.launched, &signals, console)?;
    if !parsed.has("keep") {
        delete::destroy(&made.directory, &made.record)?;
    }
    Ok(code)
}

/// What is known before anything is made.
struct Prepared {
    spec: Spec,
    bytes: Vec<u8>,
    plan: ContainerPlan,
    layout: Layout,
    cgroup: Cgroup,
    unit: Option<Unit>,
    sockets: Sockets,
    store: Store,
    record: Record,
    /// Absolute.
    pid_file: Option<PathBuf>,
}

fn prepare(global: &Global, parsed: &Parsed, is_run: bool) -> Result<Prepared, RunError> {
    let id = parsed.id();
    let getwd = |source| RunError::Io {
        step: "getwd",
        source,
    };
    let current = std::env::current_dir().map_err(getwd)?;
    let bundle = current.join(parsed.get("bundle").unwrap_or("."));
    let bundle: PathBuf = bundle.components().collect();
    let store = Store::new(current.join(&global.root));
    let (mut spec, bytes) = spec::load(&bundle.join("config.json"))?;
    let rootfs = container::rootfs_of(&spec, &bundle)?;
    if let Some(root) = &mut spec.root {
        root.path.clone_from(&rootfs);
    }
    let layout = Layout::detect()?;
    let options = Options {
        no_pivot: parsed.has("no-pivot"),
        no_new_keyring: parsed.has("no-new-keyring"),
        cgroup_v2: layout.is_v2(),
    };
    let plan = plan::plan(&spec, id, options)?;
    plan.warnings.iter().for_each(|text| log::warning(text));
    let sockets = Sockets::open(parsed, &current, plan.process.terminal.is_some(), is_run)?;
    let (cgroup, unit) = container::cgroup_of(&spec, id, &layout, global.systemd_cgroup)?;
    let mut record = container::new_record(id, &spec, &bundle, &cgroup);
    record.rootfs = rootfs;
    record.unit = unit.as_ref().map(|unit| unit.name().to_owned());
    let pid_file = parsed.get("pid-file").map(|path| current.join(path));
    // Programs that hooks start, and relative paths in the configuration, begin at the bundle.
    let chdir = |source: Errno| RunError::Io {
        step: "chdir to the bundle",
        source: source.into(),
    };
    rustix::process::chdir(&bundle).map_err(chdir)?;
    Ok(Prepared {
        spec,
        bytes,
        plan,
        layout,
        cgroup,
        unit,
        sockets,
        store,
        record,
        pid_file,
    })
}

fn make(global: &Global, parsed: &Parsed, is_run: bool) -> Result<Made, RunError> {
    let planning = trace::phase("plan");
    let mut prepared = prepare(global, parsed, is_run)?;
    drop(planning);
    let limiting = trace::phase("record, cgroup");
    let directory = prepared.store.create(parsed.id())?;
    let (cgroup, unit) = (prepared.cgroup.clone(), prepared.unit.clone());
    refuse_others(&cgroup, &directory)?;
    let mut undo = Undo {
        directory: Some(&directory),
        cgroup: &cgroup,
        unit: unit.as_ref(),
    };
    directory.keep_config(&prepared.bytes)?;
    // Already now, without a process: whoever finds this after the runtime was killed half-way knows
    // where its processes are.
    directory.write(&prepared.record)?;
    drop(limiting);
    let start = if is_run {
        Start::Told
    } else {
        Start::Fifo(directory.make_fifo()?)
    };
    let birth = trace::phase("process until ready");
    let launched = give_birth(&prepared, start, preserved(parsed)?)?;
    drop(birth);
    if let Err(error) = settle(&launched, &mut prepared, &directory) {
        launched.abandon();
        return Err(error);
    }
    log::debug(&format!("process {} waits for start", prepared.record.pid));
    undo.directory = None;
    drop(undo);
    let Prepared {
        record,
        plan,
        sockets,
        spec,
        bytes,
        ..
    } = prepared;
    // The process ends soon, and the container waits: taking thousands of strings apart now costs more
    // than anything that is still to be done.
    std::mem::forget((spec, bytes));
    Ok(Made {
        record,
        launched,
        plan,
        console: sockets.ours,
        directory,
    })
}

fn give_birth(prepared: &Prepared, start: Start, preserved: u32) -> Result<Launched, RunError> {
    let Prepared {
        spec,
        plan,
        layout,
        cgroup,
        unit,
        record,
        ..
    } = prepared;
    let joiner = match unit {
        Some(_) => None,
        None => {
            limit(cgroup, spec)?;
            Some(cgroup.joiner()?)
        }
    };
    let start_hooks = spec
        .hooks
        .as_ref()
        .and_then(|hooks| hooks.start_container().clone());
    let hook_state = container::hook_state(record, "creating");
    let birth = Birth {
        namespaces: &plan.namespaces,
        joined: Vec::new(),
        mapped: VecDeque::new(),
        steps: &plan.steps,
        process: &plan.process,
        place: joiner.as_ref().map_or(Place::Asks, Place::Joins),
        cgroup: Some((layout, cgroup)),
        start,
        start_hooks: start_hooks.as_deref().unwrap_or_default(),
        hook_state: Some(hook_state.clone()),
        console_socket: prepared.sockets.console(),
        preserved,
        is_first: true,
    };
    let prefix = "unable to start container process: error during container init: ";
    Ok(launch(Request {
        birth,
        placer: &|process| match unit {
            Some(unit) => place(unit, process, prepared),
            None => Ok(()),
        },
        hooks: Some((&plan.hooks, hook_state)),
        prefix,
    })?)
}

/// Has systemd make the group with the process in it, and sets there what systemd does not know.
fn place(unit: &Unit, process: Pid, prepared: &Prepared) -> Result<(), LaunchError> {
    let Prepared { spec, cgroup, .. } = prepared;
    let resources = spec.linux.resources.clone().unwrap_or_default();
    let extra = gantry_cgroup::extra_properties(&spec.annotations)?;
    unit.start(process, &resources, cgroup.is_v2(), extra)?;
    limit(cgroup, spec)?;
    Ok(cgroup.add(process)?)
}

/// Limits for this container must not fall on processes that are none of it.
fn refuse_others(cgroup: &Cgroup, directory: &ContainerDirectory) -> Result<(), RunError> {
    let count = if cgroup.exists() {
        cgroup.pids()?.len()
    } else {
        0
    };
    if count == 0 {
        return Ok(());
    }
    directory.remove()?;
    Err(RunError::CgroupNotEmpty { count })
}

/// Makes the control group and sets its limits, before anybody is in it.
fn limit(cgroup: &Cgroup, spec: &Spec) -> Result<(), CgroupError> {
    cgroup.create()?;
    let resources = spec.linux.resources.clone().unwrap_or_default();
    cgroup.apply_devices(&resources)?;
    cgroup.apply(&resources)
}

/// Writes down what is known now that there is a process.
fn settle(
    launched: &Launched,
    prepared: &mut Prepared,
    directory: &ContainerDirectory,
) -> Result<(), RunError> {
    let Prepared {
        record,
        sockets,
        pid_file,
        ..
    } = prepared;
    record.pid = launched.pid.as_raw_nonzero().get();
    let gone = || RunError::StartStopped;
    (record.start_time, _) = process_start_time(record.pid).ok_or_else(gone)?;
    directory.write(record)?;
    sockets.send_pidfd(&launched.pidfd)?;
    let Some(path) = pid_file.take() else {
        return Ok(());
    };
    write_pid_file(&path, record.pid).map_err(|source| RunError::PidFile { path, source })
}

/// How many descriptors go to the program. They must have come from the caller: were one not open, a
/// descriptor of the runtime's own would take its number and get into the container. What the runtime
/// opens is close-on-exec, what it inherited is not.
pub(crate) fn preserved(parsed: &Parsed) -> Result<u32, RunError> {
    let number = |value: &str| {
        value
            .parse::<u32>()
            .ok()
            .filter(|n| *n < 1 << 16)
            .ok_or_else(|| RunError::Value {
                flag: "--preserve-fds",
                value: value.to_owned(),
            })
    };
    let asked = parsed.get("preserve-fds").map_or(Ok(0), number)?;
    let listening = std::env::var("LISTEN_FDS")
        .ok()
        .map_or(Ok(0), |value| number(&value))?;
    for descriptor in 3..3 + asked + listening {
        if !exec::is_inherited(descriptor) {
            return Err(RunError::NotPreserved { descriptor });
        }
    }
    Ok(asked + listening)
}
