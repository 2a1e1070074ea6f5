//! The system call filter: from the specification's profile to classic BPF.
//!
//! What a profile means is decided here as libseccomp and runc decide it, so that the same profile
//! filters the same way under either runtime:
//!
//! * a rule without argument comparisons beats those with, whatever the order;
//! * comparisons of different arguments of one rule are joined by *and*, several of the same argument
//!   stand for as many rules;
//! * a rule whose action is the default action says nothing;
//! * names unknown to an architecture are left out;
//! * where the default refuses, a system call newer than everything the profile names answers
//!   `ENOSYS`, so that programs fall back to what the profile does know.
//!
//! `policy` makes a table of system call number → decision for each architecture, `codegen` a search
//! tree of it, `assemble` the bytes.

mod architecture;
mod codegen;
mod policy;

use gantry_linux::seccomp::{FLAG_LOG, FLAG_SPEC_ALLOW, FLAG_TSYNC, Instruction};

use crate::spec::Seccomp;

/// The kernel's limit.
const MAX_INSTRUCTIONS: usize = 4096;

/// Actions that `features` lists.
pub(crate) const ACTIONS: [&str; 8] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// Operators that `features` lists.
pub(crate) const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// Architectures that `features` lists.
pub(crate) use architecture::NAMES as ARCHITECTURES;

/// Flags that are known.
pub(crate) const KNOWN_FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// Flags that can be used; the missing one only means something to listeners.
pub(crate) const SUPPORTED_FLAGS: [&str; 3] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
];

/// A profile that cannot be compiled. The words are runc's where runc has words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SeccompError {
    #[error("string {name} is not a valid action for seccomp")]
    Action { name: String },
    #[error("string {name} is not a valid operator for seccomp")]
    Operator { name: String },
    #[error("string {name} is not a valid arch for seccomp")]
    Architecture { name: String },
    #[error("seccomp flag {name:?} is not known")]
    Flag { name: String },
    #[error("seccomp action SCMP_ACT_NOTIFY is not supported")]
    Notify,
    #[error("seccomp argument index {index} is above 5")]
    ArgumentIndex { index: u32 },
    #[error("the seccomp filter has {count} instructions, more than the kernel's 4096")]
    TooLong { count: usize },
}

/// Compiles a profile to the program and the flags to load it with.
pub(crate) fn compile(
    profile: &Seccomp,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Instruction>, u64), SeccompError> {
    let mut flags = 0;
    for name in &profile.flags {
        flags |= match name.as_str() {
            "SECCOMP_FILTER_FLAG_TSYNC" => FLAG_TSYNC,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => FLAG_SPEC_ALLOW,
            "SECCOMP_FILTER_FLAG_LOG" => FLAG_LOG,
            // Means nothing without a listener, and listeners are refused.
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => 0,
            _ => return Err(SeccompError::Flag { name: name.clone() }),
        };
    }
    if !profile.listener_path.is_empty() {
        warnings.push("seccomp listenerPath is ignored: no rule notifies".to_owned());
    }
    let policy = policy::of(profile)?;
    let program = codegen::generate(&policy);
    if program.len() > MAX_INSTRUCTIONS {
        return Err(SeccompError::TooLong {
            count: program.len(),
        });
    }
    Ok((program, flags))
}

#[cfg(test)]
mod tests;
