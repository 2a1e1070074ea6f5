//! The process itself: arguments, environment, rights, limits.

use gantry_linux::personality;
use gantry_linux::seccomp::Instruction;

use crate::plan::step::{Identity, Step};
use crate::plan::{PlanError, capabilities};
use crate::seccomp;
use crate::spec::{ConsoleSize, Personality, Process, Rlimit, Seccomp};

/// `RLIMIT_*` by name; the numbers are those of x86 and ARM.
const RLIMITS: [(&str, u32); 16] = [
    ("RLIMIT_CPU", 0),
    ("RLIMIT_FSIZE", 1),
    ("RLIMIT_DATA", 2),
    ("RLIMIT_STACK", 3),
    ("RLIMIT_CORE", 4),
    ("RLIMIT_RSS", 5),
    ("RLIMIT_NPROC", 6),
    ("RLIMIT_NOFILE", 7),
    ("RLIMIT_MEMLOCK", 8),
    ("RLIMIT_AS", 9),
    ("RLIMIT_LOCKS", 10),
    ("RLIMIT_SIGPENDING", 11),
    ("RLIMIT_MSGQUEUE", 12),
    ("RLIMIT_NICE", 13),
    ("RLIMIT_RTPRIO", 14),
    ("RLIMIT_RTTIME", 15),
];

/// A process to start, in a new container or in a running one.
#[derive(Debug, Clone)]
pub(crate) struct ProcessPlan {
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) terminal: Option<Terminal>,
    /// Who it will be, for what must be owned by it.
    pub(crate) uid: u32,
    /// Set first of all, while the process still is the host's.
    pub(crate) oom_score: Option<i32>,
    /// In order, after the root is the container's.
    pub(crate) steps: Vec<Step>,
    /// The compiled filter and the flags to load it with.
    pub(crate) filter: Option<(Vec<Instruction>, u64)>,
}

/// A terminal is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    pub(crate) size: Option<ConsoleSize>,
}

/// Plans a process.
pub(crate) fn plan(
    process: &Process,
    seccomp: Option<&Seccomp>,
    warnings: &mut Vec<String>,
) -> Result<ProcessPlan, PlanError> {
    let filter = seccomp
        .map(|profile| seccomp::compile(profile, warnings))
        .transpose()?;
    let mut steps = Vec::new();
    for limit in &process.rlimits {
        steps.push(rlimit(limit)?);
    }
    let label = if process.apparmor_profile.is_empty() {
        process.selinux_label.clone()
    } else {
        format!("exec {}", process.apparmor_profile)
    };
    if !label.is_empty() {
        steps.push(Step::SecurityLabel(label));
    }
    // Loading a filter needs either no_new_privs or CAP_SYS_ADMIN: without the first it must come
    // before the capabilities go, with it as late as can be, so that the setting-up is not filtered.
    let early_filter = filter.is_some() && !process.no_new_privileges;
    if early_filter {
        steps.push(Step::Seccomp);
    }
    steps.push(Step::Umask(process.user.umask.unwrap_or(0o022) & 0o777));
    steps.push(Step::Identity(Identity {
        uid: process.user.uid,
        gid: process.user.gid,
        groups: process.user.additional_gids.clone(),
        capabilities: process
            .capabilities
            .as_ref()
            .map(|sets| capabilities::plan(sets, warnings)),
        cwd: process.cwd.clone(),
    }));
    if process.no_new_privileges {
        steps.push(Step::NoNewPrivileges);
        if filter.is_some() {
            steps.push(Step::Seccomp);
        }
    }
    Ok(ProcessPlan {
        args: process.args.clone(),
        env: process.env.clone(),
        terminal: process.terminal.then_some(Terminal {
            size: process.console_size,
        }),
        uid: process.user.uid,
        oom_score: process.oom_score_adj,
        steps,
        filter,
    })
}

fn rlimit(limit: &Rlimit) -> Result<Step, PlanError> {
    let known = RLIMITS.iter().find(|(name, _)| *name == limit.kind);
    let Some((_, number)) = known else {
        return Err(PlanError::UnknownRlimit {
            kind: limit.kind.clone(),
        });
    };
    let name = limit.kind.clone();
    Ok(Step::Rlimit {
        name,
        number: *number,
        soft: limit.soft,
        hard: limit.hard,
    })
}

/// The step for a personality.
pub(crate) fn personality(configured: &Personality) -> Result<Step, PlanError> {
    if !configured.flags.is_empty() {
        return Err(PlanError::Unsupported {
            field: "linux.personality.flags",
        });
    }
    match configured.domain.as_str() {
        "LINUX" => Ok(Step::Personality(personality::LINUX)),
        "LINUX32" => Ok(Step::Personality(personality::LINUX32)),
        domain => Err(PlanError::Personality {
            domain: domain.to_owned(),
        }),
    }
}
