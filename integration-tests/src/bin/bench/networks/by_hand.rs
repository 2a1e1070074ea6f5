//! What an administrator sets up by hand: a bridge, two namespaces on it, a neighbour, one rule of nftables.

use std::process::Command;

use super::traffic::Place;

/// The neighbour's address, and the host's on that side; the same beside an engine.
pub(super) const NEIGHBOUR: &str = "10.201.0.2/24";
pub(super) const HOST: &str = "10.201.0.1/24";

/// A host with two namespaces on a bridge and a neighbour; gone when dropped.
#[derive(Debug)]
pub(super) struct ByHand {
    names: Vec<String>,
    pub(super) server: Place,
    pub(super) client: Place,
    pub(super) neighbour: Place,
}

impl ByHand {
    /// A server at 10.200.0.2, whose port 5000 the host publishes as 8080; a client at 10.200.0.3.
    pub(super) fn new() -> Self {
        let name = |what: &str| format!("gb{}{what}", std::process::id());
        let host = name("h");
        namespace(&host);
        ip(&format!("-n {host} link add br0 type bridge"));
        ip(&format!("-n {host} addr add 10.200.0.1/24 dev br0"));
        ip(&format!("-n {host} link set br0 up"));
        let mut names = vec![host.clone()];
        for (n, what) in [(2, "s"), (3, "c")] {
            let inside = name(what);
            namespace(&inside);
            ip(&format!(
                "-n {host} link add v{n} type veth peer name eth0 netns {inside}"
            ));
            ip(&format!("-n {host} link set v{n} master br0 up"));
            ip(&format!("-n {inside} addr add 10.200.0.{n}/24 dev eth0"));
            ip(&format!("-n {inside} link set eth0 up"));
            ip(&format!("-n {inside} route add default via 10.200.0.1"));
            names.push(inside);
        }
        let neighbour = name("n");
        beside(&neighbour, &host);
        names.push(neighbour.clone());
        ip(&format!(
            "netns exec {host} sysctl -qw net.ipv4.ip_forward=1"
        ));
        for rule in [
            "add table ip nat",
            "add chain ip nat pre { type nat hook prerouting priority dstnat; }",
            "add rule ip nat pre iifname lan tcp dport 8080 dnat to 10.200.0.2:5000",
            "add chain ip nat post { type nat hook postrouting priority srcnat; }",
            "add rule ip nat post ip saddr 10.200.0.0/24 oifname != br0 masquerade",
        ] {
            let mut nft = Command::new("ip");
            run(nft.args(["netns", "exec", &host, "nft", rule]));
        }
        Self {
            server: Place::named(&names[1]),
            client: Place::named(&names[2]),
            neighbour: Place::named(&neighbour),
            names,
        }
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        for name in &self.names {
            forget(name);
        }
    }
}

/// Makes a neighbour of a host: a namespace by this name with a cable to it; the host's end is `lan`.
pub(super) fn beside(name: &str, host: &str) {
    namespace(name);
    ip(&format!(
        "-n {name} link add eth0 type veth peer name lan netns {host}"
    ));
    ip(&format!("-n {name} addr add {NEIGHBOUR} dev eth0"));
    ip(&format!("-n {name} link set eth0 up"));
    ip(&format!("-n {host} addr add {HOST} dev lan"));
    ip(&format!("-n {host} link set lan up"));
}

/// Takes a namespace away, with its end of every cable.
pub(super) fn forget(name: &str) {
    // Whoever measured may have failed before it was made.
    let _ = Command::new("ip").args(["netns", "del", name]).status();
}

fn namespace(name: &str) {
    ip(&format!("netns add {name}"));
    ip(&format!("-n {name} link set lo up"));
}

fn ip(words: &str) {
    run(Command::new("ip").args(words.split(' ')));
}

fn run(command: &mut Command) {
    let status = command.status().expect("it is installed");
    assert!(status.success(), "{command:?}: {status}");
}
