//! Processes of a task as the supervisor knows them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::names::ExecId;

/// Which process of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ProcessId {
    /// The container's own.
    Init,
    /// One added by `Exec`.
    Exec(ExecId),
}

impl ProcessId {
    /// The exec id as the wire has it: empty for the container's own process.
    pub(crate) fn exec_id(&self) -> String {
        match self {
            Self::Init => String::new(),
            Self::Exec(id) => id.to_string(),
        }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init => f.write_str("init"),
            Self::Exec(id) => write!(f, "exec {id}"),
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exit {
    /// Exit status; 128 and the signal's number where a signal ended it.
    pub(crate) status: u32,
    /// When.
    #[serde(with = "unix_nanos")]
    pub(crate) at: SystemTime,
}

impl Exit {
    /// What is told of a process whose end nobody saw: as if SIGKILL had ended it now.
    pub(crate) fn unseen() -> Self {
        Self {
            status: 137,
            at: SystemTime::now(),
        }
    }
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Waits for `Start`.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// Has ended.
    Stopped(Exit),
}

/// Where a process's streams go: paths of FIFOs or URIs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stdio {
    /// Standard input; empty for none.
    pub(crate) stdin: String,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error; empty with a terminal.
    pub(crate) stderr: String,
    /// Whether the three are one terminal.
    pub(crate) terminal: bool,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its id in the host's namespace; 0 before it has one.
    pub(crate) pid: u32,
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// Its streams.
    pub(crate) stdio: Stdio,
}

impl Process {
    /// One that waits for `Start`.
    pub(crate) fn created(pid: u32, stdio: Stdio) -> Self {
        let phase = Phase::Created;
        Self { pid, phase, stdio }
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&self) -> Option<Exit> {
        match self.phase {
            Phase::Stopped(exit) => Some(exit),
            Phase::Created | Phase::Running | Phase::Paused => None,
        }
    }
}

/// All processes of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Processes {
    /// The container's own.
    pub(crate) init: Process,
    /// Those added by `Exec` and not yet deleted.
    pub(crate) execs: BTreeMap<ExecId, Process>,
}

impl Processes {
    /// A container's own process alone.
    pub(crate) fn new(init: Process) -> Self {
        let execs = BTreeMap::new();
        Self { init, execs }
    }

    /// One of them.
    pub(crate) fn get(&self, id: &ProcessId) -> Option<&Process> {
        match id {
            ProcessId::Init => Some(&self.init),
            ProcessId::Exec(id) => self.execs.get(id),
        }
    }

    /// Those that have ended, with their ids and exits; execs come before the container's own.
    pub(crate) fn exits(&self) -> Vec<(ProcessId, u32, Exit)> {
        let execs = self.execs.iter();
        execs
            .map(|(id, process)| (ProcessId::Exec(id.clone()), process))
            .chain([(ProcessId::Init, &self.init)])
            .filter_map(|(id, process)| Some((id, process.pid, process.exit()?)))
            .collect()
    }

    /// One of them, to be changed.
    pub(crate) fn get_mut(&mut self, id: &ProcessId) -> Option<&mut Process> {
        match id {
            ProcessId::Init => Some(&mut self.init),
            ProcessId::Exec(id) => self.execs.get_mut(id),
        }
    }
}

mod unix_nanos {
    //! Times as nanoseconds since the epoch, exact.

    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        let nanos = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        to.serialize_u64(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        u64::deserialize(from).map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos))
    }
}
