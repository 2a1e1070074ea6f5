//! The text of a container's `/etc/hosts`, as dockerd 28 writes it.

use std::net::IpAddr;

/// One line of `/etc/hosts`: an address and its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The address.
    pub address: IpAddr,
    /// Its names, separated by spaces.
    pub names: String,
}

impl HostEntry {
    /// A container's own line: its host name, and for `web.example.com` also `web`.
    #[must_use]
    pub fn own(address: IpAddr, hostname: &str) -> Self {
        let names = match hostname.split_once('.') {
            Some((short, _)) => format!("{hostname} {short}"),
            None => hostname.to_owned(),
        };
        Self { address, names }
    }

    /// The line that it is, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}\t{}\n", self.address, self.names)
    }
}

const LOOPBACK: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// The loopback names, `--add-host` entries in their order, then the container's own addresses if it has
/// any. A container in the host's namespace without `--add-host` gets the host's file instead.
#[must_use]
pub fn hosts_file(own: &[HostEntry], extra: &[HostEntry]) -> String {
    let entries = extra.iter().chain(own).map(HostEntry::line);
    std::iter::once(LOOPBACK.to_owned())
        .chain(entries)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Read off dockerd 28.5: `--hostname h1.example.com --add-host foo:1.2.3.4`.
    #[test]
    fn extra_entries_come_before_the_containers_own() {
        let own = HostEntry::own("172.17.0.2".parse().unwrap(), "h1.example.com");
        let extra = HostEntry {
            address: "1.2.3.4".parse().unwrap(),
            names: "foo".to_owned(),
        };
        let text = hosts_file(&[own], &[extra]);
        assert!(
            text.starts_with("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
        );
        assert!(text.ends_with("\n1.2.3.4\tfoo\n172.17.0.2\th1.example.com h1\n"));
        assert_eq!(HostEntry::own("::1".parse().unwrap(), "web").names, "web");
        assert_eq!(hosts_file(&[], &[]), LOOPBACK);
    }
}
