//! The files the engine writes for a container: host name, hosts, resolv.conf. Rewritten at each
//! start, in place, because a running container has them bind-mounted.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use gantry_network::{HostEntry, Reach, hosts_file};
use ipnet::IpNet;

use super::{
    endpoints::{full_hostname, has_names, wanted_dns},
    error::ContainerError,
    model::Record,
    registry::Parts,
};

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
        write(&self.resolv_conf, &resolver(record, parts))?;
        if own_network || !record.host.extra_hosts.is_empty() {
            return self.write_hosts(record, parts, (&[], &[]));
        }
        write(&self.hosts, &host_file("/etc/hosts"))
    }

    /// Hosts with those it is linked to and the container's own addresses, once it has them.
    ///
    /// # Errors
    /// [`ContainerError::File`].
    pub(super) fn write_hosts(
        &self,
        record: &Record,
        parts: &Parts,
        (links, addresses): (&[HostEntry], &[IpAddr]),
    ) -> Result<(), ContainerError> {
        let hostname = full_hostname(record);
        let own = addresses
            .iter()
            .map(|address| HostEntry::own(*address, &hostname));
        write(
            &self.hosts,
            &hosts_file(
                &own.collect::<Vec<_>>(),
                &[extra(record, parts), links.to_vec()].concat(),
            ),
        )
    }

    /// Adds the line of a network that was joined. What the container itself wrote stays.
    ///
    /// # Errors
    /// [`ContainerError::File`].
    pub(super) fn join_hosts(
        &self,
        record: &Record,
        addresses: &[IpNet],
    ) -> Result<(), ContainerError> {
        if addresses.is_empty() {
            return Ok(());
        }
        let mut text = host_file(&self.hosts);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for net in addresses {
            text += &HostEntry::own(net.addr(), &full_hostname(record)).line();
        }
        write(&self.hosts, &text)
    }

    /// Takes the lines of a network that was left away.
    ///
    /// # Errors
    /// [`ContainerError::File`].
    pub(super) fn leave_hosts(&self, addresses: &[IpNet]) -> Result<(), ContainerError> {
        if addresses.is_empty() {
            return Ok(());
        }
        let own: Vec<_> = addresses.iter().map(|net| net.addr().to_string()).collect();
        let text = host_file(&self.hosts);
        let others = text.split_inclusive('\n').filter(|line| {
            !own.iter()
                .any(|ip| line.split_whitespace().next() == Some(ip))
        });
        write(&self.hosts, &others.collect::<String>())
    }

    /// The name server of the container's networks, where it is on one that has names only now; a
    /// file that the container changed stays as it is.
    ///
    /// # Errors
    /// [`ContainerError::File`].
    pub(super) fn refresh_resolver(
        &self,
        before: &Record,
        after: &Record,
        parts: &Parts,
    ) -> Result<(), ContainerError> {
        let (was, is) = (resolver(before, parts), resolver(after, parts));
        if was == is || host_file(&self.resolv_conf) != was {
            return Ok(());
        }
        write(&self.resolv_conf, &is)
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

fn resolver(record: &Record, parts: &Parts) -> String {
    let reach = if record.host.network_mode == "host" {
        Reach::Host
    } else if has_names(record) {
        Reach::Named
    } else {
        Reach::OwnNamespace
    };
    parts.networks.resolv_conf(&wanted_dns(record), reach).text
}

/// A file that may be missing.
fn host_file(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn write(path: &Path, text: &str) -> Result<(), ContainerError> {
    overwrite(path, text).map_err(|source| ContainerError::File {
        step: "write",
        path: path.to_owned(),
        source,
    })
}

/// Writes over what is there: the inode stays, for whoever has it mounted. It is not emptied first, since
/// some file systems (ext4) send a file to the disk at once that was emptied and written.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let before = file.metadata()?.len();
    file.write_all(text.as_bytes())?;
    let now = u64::try_from(text.len()).expect("a length fits in 64 bits");
    if now < before {
        file.set_len(now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_written_over_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        for text in [
            "127.0.0.1 localhost\n",
            "longer than what was there before\n",
            "::1\n",
            "",
        ] {
            let before = fs::metadata(&path).map(|meta| meta.ino()).ok();
            overwrite(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let now = fs::metadata(&path).unwrap().ino();
            assert_eq!(before.unwrap_or(now), now);
        }
    }
}
