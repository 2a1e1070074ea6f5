//! Firewalls of the host and IPv6, among them the rules that ufw and firewalld load (ADR 35).

use std::net::IpAddr;
use std::sync::Arc;

use gantry_network::MemoryStore;

use crate::lab::{Container, Engine, HOST6, LAN6, Lab, command, in_lab, tcp};
use crate::talk::{Server, ask, ask_briefly};

/// Lets 2001:db8:99::2 in to port 8080, and drops all else but what IPv6 itself needs.
const PLAIN: &str = "add table inet host
add chain inet host input { type filter hook input priority 0; policy drop; }
add rule inet host input ct state established,related accept
add rule inet host input iifname lo accept
add rule inet host input meta l4proto ipv6-icmp accept
add rule inet host input ip6 saddr 2001:db8:99::2 tcp dport 8080 accept
";

/// firewalld's with a rich rule for IPv6 in the place of that for IPv4.
fn firewalld() -> String {
    let rules = include_str!("rules/firewalld.nft");
    let of_ipv4 = "ip saddr 10.99.0.2 tcp dport 8080 accept";
    assert!(rules.contains(of_ipv4));
    rules.replace(of_ipv4, "ip6 saddr 2001:db8:99::2 tcp dport 8080 accept")
}

fn load(lab: &Lab, rules: &str) {
    let file = lab.folder.path().join("rules.nft");
    std::fs::write(&file, rules).unwrap();
    command(&format!("nft -f {}", file.display()));
}

/// An engine whose default bridge has IPv6.
fn start(lab: &Lab, host_firewall: bool) -> Engine {
    let mut config = lab.config("engine");
    config.ipv6 = true;
    config.fixed_cidr_v6 = Some("2001:db8:17::/64".parse().unwrap());
    config.host_firewall = host_firewall;
    Engine::start(config, Arc::new(MemoryStore::default()))
}

fn web(engine: &Engine) -> (Container, Server) {
    let container = engine.container("web", vec![tcp(8080, 80), tcp(8081, 80)]);
    let server = Server::tcp_of_both(&container.namespace, 80);
    (container, server)
}

/// What reaches the container comes from whom it comes.
fn reached(lab: &Lab, port: u16) -> bool {
    let seen = lab.lan.run(|| ask(HOST6, port));
    seen.is_ok_and(|client| client == IpAddr::V6(LAN6))
}

/// No answer, even when the client says it again.
fn closed(lab: &Lab, port: u16) -> bool {
    let once = || lab.lan.run(|| ask_briefly(HOST6, port)).is_err();
    once() && once()
}

#[test]
fn published_ports_obey_what_the_host_lets_in_by_ipv6() {
    for rules in [PLAIN, include_str!("rules/ufw6.nft"), &firewalld()] {
        in_lab(|lab| {
            load(lab, rules);
            let engine = start(lab, true);
            let (_container, _server) = web(&engine);
            assert!(reached(lab, 8080), "{rules}");
            assert!(closed(lab, 8081), "{rules}");
            // The host itself, and containers, are not asked.
            ask(HOST6, 8081).unwrap();
            let sibling = engine.container("sibling", vec![]);
            sibling.namespace.run(|| ask(HOST6, 8081)).unwrap();
            // What the host lets in later is let in.
            command("nft flush ruleset");
            let engine = engine.restarted();
            assert!(reached(lab, 8081));
            drop(engine);
        });
    }
}

#[test]
fn without_being_asked_the_hosts_rules_for_ipv6_do_not_bind_published_ports() {
    in_lab(|lab| {
        load(lab, include_str!("rules/ufw6.nft"));
        let engine = start(lab, false);
        let (_container, _server) = web(&engine);
        assert!(reached(lab, 8080) && reached(lab, 8081));
    });
}

#[test]
fn ufw_lets_bridges_through_by_ipv6() {
    in_lab(|lab| {
        load(lab, include_str!("rules/ufw6.nft"));
        let engine = start(lab, false);
        let (container, _server) = web(&engine);
        let _outside = Server::tcp_of_both(&lab.lan, 9000);
        container.namespace.run(|| ask(LAN6, 9000)).unwrap();
        let listed = command("nft list chain ip6 filter ufw6-user-forward");
        let tag = format!("comment \"gantry_{} ", engine.config.engine);
        assert_eq!(listed.matches(&tag).count(), 2, "{listed}");
    });
}

#[test]
fn what_the_relay_carries_obeys_the_hosts_rules_by_itself() {
    in_lab(|lab| {
        load(lab, PLAIN);
        let mut config = lab.config("engine");
        config.host_firewall = true;
        let engine = Engine::start(config, Arc::new(MemoryStore::default()));
        let container = engine.container("four", vec![tcp(8080, 80), tcp(8081, 80)]);
        let _server = Server::tcp(&container.namespace, 80);
        assert_eq!(container.endpoint.ip6, None);
        lab.lan.run(|| ask(HOST6, 8080)).unwrap();
        assert!(closed(lab, 8081));
    });
}
