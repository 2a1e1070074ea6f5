//! Tables and the host's list of servers, read again when their files change.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::namespace::Place;
use super::upstream::Asked;
use crate::table::{ContainerNames, NetworkNames, Upstream};

/// No more servers of the host's file are asked, as the C library does.
const HOST_SERVERS_MAX: usize = 3;

/// What tells one state of a file from another: inode, length, time of change.
type Stamp = (u64, u64, i64, i64);

/// A file's content as it was understood when it last changed; nothing where there is no file or it
/// cannot be read.
#[derive(Debug)]
struct Cached<T> {
    path: PathBuf,
    stamp: Option<Stamp>,
    value: Arc<T>,
}

impl<T: Default> Cached<T> {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            stamp: None,
            value: Arc::default(),
        }
    }

    fn fresh(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Arc<T> {
        let stamp = stamp(&self.path);
        if stamp != self.stamp {
            let text = fs::read_to_string(&self.path).ok();
            self.value = Arc::new(text.and_then(|text| read(&text)).unwrap_or_default());
            self.stamp = stamp;
        }
        Arc::clone(&self.value)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// Everything that the server reads.
#[derive(Debug)]
pub(super) struct Book {
    folder: PathBuf,
    container: Cached<ContainerNames>,
    networks: BTreeMap<String, Cached<NetworkNames>>,
    host_files: BTreeMap<PathBuf, Cached<Vec<IpAddr>>>,
}

impl Book {
    pub(super) fn new(table: PathBuf) -> Self {
        Self {
            folder: table.parent().map(Path::to_owned).unwrap_or_default(),
            container: Cached::new(table),
            networks: BTreeMap::new(),
            host_files: BTreeMap::new(),
        }
    }

    /// What the container may ask.
    pub(super) fn container(&mut self) -> Arc<ContainerNames> {
        let fresh = self
            .container
            .fresh(|text| ContainerNames::decode(text).ok());
        self.networks
            .retain(|file, _| fresh.networks.iter().any(|n| n.file == *file));
        fresh
    }

    /// What a network knows; `file` is a name in the tables' folder and nothing else.
    pub(super) fn network(&mut self, file: &str) -> Arc<NetworkNames> {
        if file.contains('/') {
            return Arc::default();
        }
        let path = self.folder.join(file);
        self.networks
            .entry(file.to_owned())
            .or_insert_with(|| Cached::new(path))
            .fresh(|text| NetworkNames::decode(text).ok())
    }

    /// Whom else to ask, in order.
    pub(super) fn upstream(&mut self, container: &ContainerNames) -> Vec<Asked> {
        let mut servers = Vec::new();
        for upstream in &container.upstream {
            match upstream {
                Upstream::Server(address) => servers.push((*address, Place::Container)),
                Upstream::HostFile(path) => {
                    let file = self
                        .host_files
                        .entry(path.clone())
                        .or_insert_with(|| Cached::new(path.clone()));
                    let listed = file.fresh(|text| Some(servers_in(text)));
                    servers.extend(listed.iter().map(|address| (*address, Place::Host)));
                }
            }
        }
        servers
    }
}

/// The `nameserver` lines of a `resolv.conf(5)`.
fn servers_in(text: &str) -> Vec<IpAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver"))
            .then(|| words.next()?.parse().ok())
            .flatten()
    });
    servers.take(HOST_SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let new = folder.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, folder.path().join(name)).unwrap();
        };
        let host = folder.path().join("resolv.conf");
        put("resolv.conf", "# x\nnameserver 10.0.0.53\nsearch a\n");
        let mut book = Book::new(folder.path().join("c"));
        assert!(book.container().networks.is_empty());
        put(
            "c",
            &format!(
                "gantry-names 1\nnetwork n\nforward\nhost-file {}\n",
                host.display()
            ),
        );
        put("n", "gantry-network 1\nname web 10.0.0.2\n");
        let container = book.container();
        assert!(container.forward);
        assert!(book.network("n").names.contains_key("web"));
        assert!(book.network("../n").names.is_empty());
        let servers = |book: &mut Book| book.upstream(&container);
        assert_eq!(
            servers(&mut book),
            [("10.0.0.53".parse().unwrap(), Place::Host)]
        );
        put("resolv.conf", "nameserver ::1\n");
        assert_eq!(servers(&mut book), [("::1".parse().unwrap(), Place::Host)]);
        put("n", "gantry-network 1\nname db 10.0.0.3\n");
        assert!(!book.network("n").names.contains_key("web"));
        fs::remove_file(folder.path().join("n")).unwrap();
        assert!(book.network("n").names.is_empty());
    }
}
