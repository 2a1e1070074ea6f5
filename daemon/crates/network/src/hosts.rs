//! The text of a container's `/etc/hosts`, as dockerd 28 writes it.

use std::fmt::Write;
use std::net::IpAddr;

/// One line of `/etc/hosts`: an address and its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The address.
    pub address: IpAddr,
    /// Its names, separated by spaces.
    pub names: String,
}

const LOOPBACK: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// The file for a container with a namespace of its own: loopback names, `--add-host` entries in
/// their order, then the container's own address and names if it has one.
#[must_use]
pub fn hosts_file(own: Option<&HostEntry>, extra: &[HostEntry]) -> String {
    let mut text = LOOPBACK.to_owned();
    append(&mut text, extra);
    append(&mut text, own);
    text
}

fn append<'a>(text: &mut String, entries: impl IntoIterator<Item = &'a HostEntry>) {
    for entry in entries {
        writeln!(text, "{}\t{}", entry.address, entry.names).expect("a String takes every write");
    }
}
