//! Which namespaces are made and which are joined; host name and sysctls, which belong to them.

use std::collections::BTreeMap;

use gantry_engine_api::HostConfig;

use super::{Surroundings, oci::Namespace};
use crate::container::model::Record;

/// Namespaces that exist already, as paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Join {
    /// The sandbox made for the container, or another container's.
    pub network: Option<String>,
    pub ipc: Option<String>,
    pub pid: Option<String>,
}

/// A mode that may name another container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode<'a> {
    /// The engine's default (the field is empty).
    Default,
    /// The machine's own.
    Host,
    /// Another container's, by name or id.
    Container(&'a str),
    /// Any other word: `private`, `shareable`, `none`, `bridge`, a network's name.
    Word(&'a str),
}

/// Reads a `…Mode` field of the host configuration.
#[must_use]
pub fn mode(text: &str) -> Mode<'_> {
    match text {
        "" | "default" => Mode::Default,
        "host" => Mode::Host,
        other => match other.strip_prefix("container:") {
            Some(container) => Mode::Container(container),
            None => Mode::Word(other),
        },
    }
}

/// The namespaces in dockerd's order.
pub(super) fn of(host: &HostConfig, around: &Surroundings) -> Vec<Namespace> {
    let make = |kind| Namespace {
        kind,
        path: String::new(),
    };
    let join = |kind, path: &Option<String>| Namespace {
        kind,
        path: path.clone().unwrap_or_default(),
    };
    let mut list = vec![make("mount")];
    if mode(&host.network_mode) != Mode::Host {
        list.push(join("network", &around.join.network));
    }
    if host.uts_mode != "host" {
        list.push(make("uts"));
    }
    if host.pid_mode != "host" {
        list.push(join("pid", &around.join.pid));
    }
    if host.ipc_mode != "host" {
        list.push(join("ipc", &around.join.ipc));
    }
    if host.cgroupns_mode == "private" {
        list.push(make("cgroup"));
    }
    list
}

/// The name set in the container's own uts namespace.
pub(super) fn hostname(record: &Record) -> String {
    if record.host.uts_mode == "host" {
        String::new()
    } else {
        record.config.hostname.clone()
    }
}

/// What the user asked for, and dockerd's defaults for a network namespace of its own: ports below
/// 1024 and ping without privileges.
pub(super) fn sysctls(record: &Record) -> BTreeMap<String, String> {
    let mut sysctls = BTreeMap::new();
    let own_network = !matches!(
        mode(&record.host.network_mode),
        Mode::Host | Mode::Container(_)
    );
    if own_network {
        for (name, value) in [
            ("net.ipv4.ip_unprivileged_port_start", "0"),
            ("net.ipv4.ping_group_range", "0 2147483647"),
        ] {
            sysctls.insert(name.to_owned(), value.to_owned());
        }
    }
    if !record.config.domainname.is_empty() && record.host.uts_mode != "host" {
        sysctls.insert(
            "kernel.domainname".to_owned(),
            record.config.domainname.clone(),
        );
    }
    sysctls.extend(
        record
            .host
            .sysctls
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    sysctls
}
