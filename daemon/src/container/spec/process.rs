//! The process: arguments, environment, user, capabilities, limits.

use gantry_engine_api::HostConfig;

use super::{
    SpecError, Surroundings, capabilities,
    oci::{Capabilities, ConsoleSize, Process, Rlimit},
    security, users,
};
use crate::container::model::Record;

/// The search path of a container whose image names none.
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the init lies in a container that has one.
pub const INIT_TARGET: &str = "/sbin/docker-init";

/// Capabilities by the host configuration.
///
/// # Errors
/// A name the kernel does not have.
pub fn capability_set(host: &HostConfig) -> Result<Vec<String>, capabilities::UnknownCapability> {
    let add = capabilities::parse("CapAdd", &host.cap_add)?;
    let drop = capabilities::parse("CapDrop", &host.cap_drop)?;
    Ok(capabilities::effective(host.privileged, &add, &drop))
}

/// The container's own process.
pub(super) fn of_container(
    record: &Record,
    around: &Surroundings,
    caps: Vec<String>,
    security: &security::Options,
) -> Result<Process, SpecError> {
    let config = &record.config;
    let account = users::resolve(
        &config.user,
        &record.host.group_add,
        &around.passwd,
        &around.group,
    )?;
    let mut args = Vec::with_capacity(record.args.len() + 3);
    if around.init.is_some() {
        args.extend([INIT_TARGET.to_owned(), "--".to_owned()]);
    }
    args.push(record.path.clone());
    args.extend(record.args.iter().cloned());
    let [height, width] = record.host.console_size;
    Ok(Process {
        terminal: config.tty,
        console_size: (config.tty && height > 0 && width > 0)
            .then_some(ConsoleSize { height, width }),
        env: with_home(environment(record, &around.linked), &account.home),
        user: account.user,
        args,
        cwd: or_root(&config.working_dir),
        capabilities: same(caps),
        rlimits: rlimits(&record.host),
        no_new_privileges: security.no_new_privileges,
        oom_score_adj: Some(record.host.oom_score_adj),
    })
}

/// The same list in the three sets dockerd fills.
#[must_use]
pub fn same(caps: Vec<String>) -> Capabilities {
    Capabilities {
        bounding: caps.clone(),
        effective: caps.clone(),
        permitted: caps,
    }
}

/// The container's environment, without `HOME`; `linked` is what its links set.
#[must_use]
pub fn environment(record: &Record, linked: &[String]) -> Vec<String> {
    let mut base = vec![
        DEFAULT_PATH.to_owned(),
        format!("HOSTNAME={}", record.config.hostname),
    ];
    if record.config.tty {
        base.push("TERM=xterm".to_owned());
    }
    merge(merge(base, linked), &record.config.env)
}

/// `more` over `base`: a name that is there is replaced in its place, a name without `=` is removed.
#[must_use]
pub fn merge(mut base: Vec<String>, more: &[String]) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    for entry in more {
        let at = base.iter().position(|old| name(old) == name(entry));
        match (at, entry.contains('=')) {
            (Some(at), true) => base[at].clone_from(entry),
            (Some(at), false) => {
                base.remove(at);
            }
            (None, true) => base.push(entry.clone()),
            (None, false) => {}
        }
    }
    base
}

/// `HOME` of the account where the environment names none.
#[must_use]
pub fn with_home(mut env: Vec<String>, home: &str) -> Vec<String> {
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={home}"));
    }
    env
}

/// The working directory; the root where none is named.
#[must_use]
pub fn or_root(dir: &str) -> String {
    if dir.is_empty() {
        "/".to_owned()
    } else {
        dir.to_owned()
    }
}

/// `--ulimit`; −1 is unlimited.
#[must_use]
pub fn rlimits(host: &HostConfig) -> Vec<Rlimit> {
    host.ulimits
        .iter()
        .map(|limit| Rlimit {
            kind: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
            hard: u64::try_from(limit.hard).unwrap_or(u64::MAX),
            soft: u64::try_from(limit.soft).unwrap_or(u64::MAX),
        })
        .collect()
}
