//! From values to the typed configuration: defaults, checks, and what is refused or warned of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gantry_engine_api::host_config::Ulimit;
use gantry_errors::chain;
use serde_json::Value;

use super::merge::Values;
use super::options::{OPTIONS, Opt};
use super::{
    Config, ConfigError, ContainerDefaults, Host, LogOptions, SeccompDefault, network, registries,
    runtimes,
};
use crate::compat::Support;
use crate::container::spec::seccomp::custom_profile;

/// The name under which runc-lite is known, so that Docker's habits work.
pub(super) const DEFAULT_RUNTIME: &str = "runc";

/// Log options that every json-file container gets: stock Docker's logs grow without end.
const DEFAULT_LOG_OPTS: [(&str, &str); 2] = [("max-size", "20m"), ("max-file", "5")];

pub(super) fn build(values: &Values) -> Result<Config, ConfigError> {
    let warnings = apply_support(values)?;
    let plain_tcp = tls(values)?;
    let exec_root = absolute(values.text("exec-root").unwrap_or("/run/gantry"));
    let hosts = hosts(values, &exec_root, plain_tcp)?;
    let containers = container_defaults(values)?;
    let runtimes = runtimes::build(values)?;
    if !runtimes.contains_key(&containers.runtime) {
        let reason = format!(
            "specified default runtime '{}' does not exist",
            containers.runtime
        );
        return Err(invalid("default-runtime", reason));
    }
    let (registries, transfers) = registries::registries(values)?;
    Ok(Config {
        hosts,
        group: values.text("group").unwrap_or("docker").to_owned(),
        group_required: values.get("group").is_some(),
        data_root: absolute(values.text("data-root").unwrap_or("/var/lib/gantry")),
        exec_root,
        pidfile: absolute(values.text("pidfile").unwrap_or("/run/gantry.pid")),
        containerd: values.text("containerd").map(absolute),
        containerd_namespace: values
            .text("containerd-namespace")
            .unwrap_or("moby")
            .to_owned(),
        runtimes,
        cgroup_driver: cgroup_driver(values)?,
        labels: labels(values)?,
        debug: values.switch("debug", false),
        plain_tcp,
        log: log_options(values)?,
        containers,
        network: network::network(values)?,
        registries,
        transfers,
        storage: super::storage::storage(values)?,
        collection: super::storage::collection(values)?,
        warnings,
    })
}

pub(super) fn invalid(option: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid {
        option: option.to_owned(),
        reason: reason.into(),
    }
}

/// Refuses what is refused and collects warnings, by the table.
fn apply_support(values: &Values) -> Result<Vec<String>, ConfigError> {
    let mut warnings = Vec::new();
    for (name, value) in values.iter().filter(|(_, value)| is_asked_for(value)) {
        let opt = OPTIONS.iter().find(|opt: &&Opt| opt.name() == name);
        match opt.expect("values come from the table").support {
            Support::Honoured | Support::ByValue(_) | Support::Answer => {}
            Support::Refused(reason) => {
                let option = format!("{name} ({value})");
                return Err(ConfigError::Refused { option, reason });
            }
            Support::Warned(reason) => warnings.push(format!("{name} has no effect: {reason}")),
        }
    }
    Ok(warnings)
}

/// Whether a value asks for anything: `false`, nothing and an empty list do not.
fn is_asked_for(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

/// Whether TCP without TLS was asked for in so many words; TLS itself comes later.
fn tls(values: &Values) -> Result<bool, ConfigError> {
    let given = |name| values.get(name).and_then(Value::as_bool);
    for name in ["tls", "tlsverify"] {
        if given(name) == Some(true) {
            let reason = "TLS is not built yet in Gantry";
            return Err(ConfigError::Refused {
                option: name.to_owned(),
                reason,
            });
        }
    }
    Ok(given("tls") == Some(false) || given("tlsverify") == Some(false))
}

fn hosts(values: &Values, exec_root: &Path, plain_tcp: bool) -> Result<Vec<Host>, ConfigError> {
    let given = values.list("host");
    if given.is_empty() {
        return Ok(vec![Host::Unix(exec_root.join("gantry.sock"))]);
    }
    let parse = |text: &String| {
        let host = parse_host(text).ok_or_else(|| {
            invalid(
                "host",
                format!("\"{text}\": expected unix://PATH, tcp://HOST:PORT or fd://"),
            )
        })?;
        if matches!(host, Host::Tcp(_)) && !plain_tcp {
            let reason = format!(
                "{text}: TCP without TLS gives root access on this machine to everyone who can \
                 reach the port, and TLS is not built yet in Gantry; --tls=false says that you \
                 want it nevertheless"
            );
            return Err(invalid("host", reason));
        }
        Ok(host)
    };
    given.iter().map(parse).collect()
}

fn parse_host(text: &str) -> Option<Host> {
    match text.split_once("://") {
        Some(("unix", path)) => (!path.is_empty()).then(|| Host::Unix(absolute(path))),
        Some(("fd", name)) => Some(Host::Fd(name.trim_matches('*').to_owned())),
        Some(("tcp", address)) => parse_tcp(address),
        Some(_) => None,
        None if text.starts_with('/') => Some(Host::Unix(PathBuf::from(text))),
        None => parse_tcp(text),
    }
}

/// `host`, `host:port` or `:port`; the port is dockerd's 2375 unless given.
fn parse_tcp(address: &str) -> Option<Host> {
    let address = address.trim_end_matches('/');
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, "2375"),
    };
    let port: u16 = if port.is_empty() {
        2375
    } else {
        port.parse().ok()?
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Some(Host::Tcp(format!("{host}:{port}")))
}

fn absolute(path: impl AsRef<Path>) -> PathBuf {
    std::path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_owned())
}

fn cgroup_driver(values: &Values) -> Result<String, ConfigError> {
    let mut driver = "cgroupfs".to_owned();
    for option in values.list("exec-opt") {
        match option.split_once('=') {
            Some(("native.cgroupdriver", "cgroupfs")) => "cgroupfs".clone_into(&mut driver),
            Some(("native.cgroupdriver", "systemd")) => "systemd".clone_into(&mut driver),
            Some(("native.cgroupdriver", _)) => {
                let reason = format!("{option}: expected cgroupfs or systemd");
                return Err(invalid("exec-opt", reason));
            }
            _ => return Err(invalid("exec-opt", format!("unknown option \"{option}\""))),
        }
    }
    Ok(driver)
}

fn labels(values: &Values) -> Result<Vec<String>, ConfigError> {
    let labels = values.list("label");
    match labels.iter().find(|label| !label.contains('=')) {
        Some(bad) => Err(invalid("label", format!("bad attribute format: {bad}"))),
        None => Ok(labels),
    }
}

fn log_options(values: &Values) -> Result<LogOptions, ConfigError> {
    let mut level = parsed(values, "log-level")?.unwrap_or_default();
    if values.switch("debug", false) && values.get("log-level").is_none() {
        level = gantry_telemetry::Level::Debug;
    }
    let format = parsed(values, "log-format")?.unwrap_or_default();
    Ok(LogOptions {
        level,
        format,
        trace: values.text("trace").map(absolute),
    })
}

/// A text option in its type.
pub(super) fn parsed<T>(values: &Values, name: &str) -> Result<Option<T>, ConfigError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let parse = |text: &str| {
        text.parse()
            .map_err(|e: T::Err| invalid(name, format!("{text}: {e}")))
    };
    values.text(name).map(parse).transpose()
}

fn container_defaults(values: &Values) -> Result<ContainerDefaults, ConfigError> {
    let one_of = |name: &str, allowed: &[&str]| match values.text(name) {
        Some(text) if !allowed.contains(&text) => Err(invalid(
            name,
            format!("\"{text}\": expected {}", allowed.join(" or ")),
        )),
        text => Ok(text.map(str::to_owned)),
    };
    let ipc_mode = one_of("default-ipc-mode", &["private", "shareable"])?;
    let log_driver = one_of("log-driver", &["json-file", "none"])?;
    let log_driver = log_driver.unwrap_or_else(|| "json-file".to_owned());
    one_of("storage-driver", &["overlay2"])?;
    Ok(ContainerDefaults {
        runtime: values
            .text("default-runtime")
            .unwrap_or(DEFAULT_RUNTIME)
            .to_owned(),
        shm_size_bytes: shm_size(values)?,
        ulimits: ulimits(values)?,
        ipc_mode: ipc_mode.unwrap_or_else(|| "private".to_owned()),
        cgroupns_mode: one_of("default-cgroupns-mode", &["host", "private"])?,
        cgroup_parent: values.text("cgroup-parent").map(str::to_owned),
        init: values.switch("init", false),
        init_path: values.text("init-path").map(absolute),
        no_new_privileges: values.switch("no-new-privileges", false),
        seccomp: seccomp(values)?,
        seccomp_profile: values
            .text("seccomp-profile")
            .unwrap_or("builtin")
            .to_owned(),
        log_opts: log_opts(values, &log_driver),
        log_driver,
        stop_timeout_s: values.number("default-stop-timeout").unwrap_or(10),
    })
}

/// Read once: a profile that changes is taken over by a reload.
fn seccomp(values: &Values) -> Result<SeccompDefault, ConfigError> {
    let path = match values.text("seccomp-profile") {
        None | Some("" | "builtin") => return Ok(SeccompDefault::BuiltIn),
        Some("unconfined") => return Ok(SeccompDefault::Unconfined),
        Some(path) => path,
    };
    let failed = |why: String| {
        let reason = format!("opening seccomp profile ({path}) failed: {why}");
        invalid("seccomp-profile", reason)
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    // What cannot be read is an error now, not at the first container's start.
    custom_profile(&text, &[], (0, 0)).map_err(|error| failed(chain(&error).to_string()))?;
    Ok(SeccompDefault::Profile(text))
}

fn log_opts(values: &Values, driver: &str) -> BTreeMap<String, String> {
    let mut opts = values.map("log-opt");
    if driver == "json-file" && opts.is_empty() {
        opts.extend(DEFAULT_LOG_OPTS.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
    opts
}

fn shm_size(values: &Values) -> Result<i64, ConfigError> {
    let size = match values.get("default-shm-size") {
        None => Some(64 << 20),
        Some(Value::String(text)) => parse_bytes(text),
        Some(number) => number.as_i64(),
    };
    let reason = || "expected a size such as 64m".to_owned();
    size.filter(|n| *n > 0)
        .ok_or_else(|| invalid("default-shm-size", reason()))
}

/// A size as docker writes it: a number with `b`, `k`, `m`, `g`, `t` (powers of 1024).
pub(crate) fn parse_bytes(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text
        .strip_suffix("ib")
        .or_else(|| text.strip_suffix('b'))
        .unwrap_or(&text);
    let (digits, shift) = match text.char_indices().last()? {
        (at, 'k') => (&text[..at], 10),
        (at, 'm') => (&text[..at], 20),
        (at, 'g') => (&text[..at], 30),
        (at, 't') => (&text[..at], 40),
        _ => (text, 0),
    };
    digits.trim().parse::<i64>().ok()?.checked_mul(1 << shift)
}

/// `--default-ulimit nofile=64:128`; in the file, Docker's ulimit objects by name.
fn ulimits(values: &Values) -> Result<Vec<Ulimit>, ConfigError> {
    let bad = |text: &str| {
        invalid(
            "default-ulimit",
            format!("\"{text}\": expected NAME=SOFT[:HARD]"),
        )
    };
    match values.get("default-ulimit") {
        Some(Value::Array(texts)) => {
            let texts = texts.iter().filter_map(Value::as_str);
            texts
                .map(|text| parse_ulimit(text).ok_or_else(|| bad(text)))
                .collect()
        }
        Some(Value::Object(entries)) => entries
            .iter()
            .map(|(name, value)| {
                let mut ulimit: Ulimit =
                    gantry_engine_api::json::from_value(value).map_err(|_| bad(name))?;
                ulimit.name.clone_from(name);
                Ok(ulimit)
            })
            .collect(),
        _ => Ok(Vec::new()),
    }
}

fn parse_ulimit(text: &str) -> Option<Ulimit> {
    let (name, limits) = text.split_once('=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Some(Ulimit {
        name: name.to_owned(),
        soft: soft.parse().ok()?,
        hard: hard.parse().ok()?,
    })
}
