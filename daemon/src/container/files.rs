//! The files the engine writes for a container: host name, hosts, resolv.conf. Rewritten at each
//! start, in place, because a running container has them bind-mounted.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use gantry_network::{DnsConfig, HostEntry, Reach, hosts_file};

use super::{error::ContainerError, model::Record, registry::Parts};

/// Where a container's files lie.
#[derive(Debug, Clone)]
pub struct Files {
    pub hostname: PathBuf,
    pub hosts: PathBuf,
    pub resolv_conf: PathBuf,
}

impl Files {
    /// In the container's own directory.
    #[must_use]
    pub fn beneath(dir: &Path) -> Self {
        Self {
            hostname: dir.join("hostname"),
            hosts: dir.join("hosts"),
            resolv_conf: dir.join("resolv.conf"),
        }
    }

    /// Host name and resolv.conf, and hosts without the container's own address.
    ///
    /// # Errors
    /// [`ContainerError::File`].
    pub(super) fn write_first(&self, record: &Record, parts: &Parts) -> Result<(), ContainerError> {
        write(&self.hostname, &format!("{}\n", record.config.hostname))?;
        let own_network = record.host.network_mode != "host";
        let reach = if own_network {
            Reach::OwnNamespace
        } else {
            Reach::Host
        };
        write(&self.resolv_conf, &resolver(record, parts, reach))?;
        if own_network || !record.host.extra_hosts.is_empty() {
            return self.write_hosts(record, parts, None);
        }
        write(&self.hosts, &host_file("/etc/hosts"))
    }

    /// Hosts with the container's own address, once it has one.
    ///
    /// # Errors
    /// [`ContainerError::File`].
    pub(super) fn write_hosts(
        &self,
        record: &Record,
        parts: &Parts,
        address: Option<IpAddr>,
    ) -> Result<(), ContainerError> {
        let config = &record.config;
        let hostname = match config.domainname.as_str() {
            "" => config.hostname.clone(),
            domain => format!("{}.{domain}", config.hostname),
        };
        let own = address.map(|address| HostEntry::own(address, &hostname));
        write(
            &self.hosts,
            &hosts_file(own.as_ref(), &extra(record, parts)),
        )
    }
}

/// `--add-host`.
fn extra(record: &Record, parts: &Parts) -> Vec<HostEntry> {
    record
        .host
        .extra_hosts
        .iter()
        .filter_map(|entry| {
            let (names, address) = entry.split_once(':')?;
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            let address = match bare {
                "host-gateway" => parts.networks.host_gateway()?,
                bare => bare.parse().ok()?,
            };
            Some(HostEntry {
                address,
                names: names.to_owned(),
            })
        })
        .collect()
}

fn resolver(record: &Record, parts: &Parts, reach: Reach) -> String {
    let host = &record.host;
    let servers = host.dns.iter().filter_map(|server| server.parse().ok());
    let wanted = DnsConfig {
        servers: servers.collect(),
        search: host.dns_search.to_vec(),
        options: host.dns_options.to_vec(),
        host_gateway: None,
    };
    parts.networks.resolv_conf(&wanted, reach).text
}

/// A file of the host that may be missing.
fn host_file(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Truncates and writes: the inode stays, for whoever has it mounted.
fn write(path: &Path, text: &str) -> Result<(), ContainerError> {
    let written: io::Result<()> = fs::write(path, text);
    written.map_err(|source| ContainerError::File {
        step: "write",
        path: path.to_owned(),
        source,
    })
}
