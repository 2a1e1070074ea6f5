//! Firewalls of the host, among them the rules that ufw and firewalld load: what they let in, and whom they
//! cut off.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_network::{MemoryStore, NetworkRequest, Networks};

use crate::lab::{Container, Engine, HOST, LAN, Lab, command, in_lab, tcp, udp};
use crate::talk::{Server, ask, ask_briefly, ask_udp, ask_udp_briefly};

/// Lets 10.99.0.2 in to port 8080 of TCP and 5353 of UDP, and drops all else.
const PLAIN: &str = "add table inet host
add chain inet host input { type filter hook input priority 0; policy drop; }
add rule inet host input ct state established,related accept
add rule inet host input iifname lo accept
add rule inet host input ip saddr 10.99.0.2 tcp dport 8080 accept
add rule inet host input ip saddr 10.99.0.2 udp dport 5353 accept
";

fn load(lab: &Lab, rules: &str) {
    let file = lab.folder.path().join("rules.nft");
    std::fs::write(&file, rules).unwrap();
    command(&format!("nft -f {}", file.display()));
}

fn start(lab: &Lab, name: &str, host_firewall: bool) -> Engine {
    let mut config = lab.config(name);
    config.host_firewall = host_firewall;
    Engine::start(config, Arc::new(MemoryStore::default()))
}

/// The first packet asks the host's rules and may be lost: a client says it again.
fn reached(lab: &Lab, port: u16) -> bool {
    let seen = lab.lan.run(|| ask(HOST, port));
    // What reaches the container comes from whom it comes.
    seen.is_ok_and(|client| client == IpAddr::V4(LAN))
}

/// No answer, even when the client says it again.
fn closed(lab: &Lab, port: u16) -> bool {
    let once = || lab.lan.run(|| ask_briefly(HOST, port)).is_err();
    once() && once()
}

fn web(engine: &Engine) -> (Container, Server) {
    let container = engine.container("web", vec![tcp(8080, 80), tcp(8081, 80)]);
    let server = Server::tcp(&container.namespace, 80);
    (container, server)
}

#[test]
fn published_ports_obey_what_the_host_lets_in() {
    for rules in [
        PLAIN,
        include_str!("rules/ufw.nft"),
        include_str!("rules/firewalld.nft"),
    ] {
        in_lab(|lab| {
            load(lab, rules);
            let engine = start(lab, "engine", true);
            let (_container, _server) = web(&engine);
            assert!(reached(lab, 8080), "{rules}");
            assert!(closed(lab, 8081), "{rules}");
            // The host itself, and containers, are not asked.
            for own in [HOST, Ipv4Addr::LOCALHOST] {
                ask(own, 8081).unwrap();
            }
            let sibling = engine.container("sibling", vec![]);
            sibling.namespace.run(|| ask(HOST, 8081)).unwrap();
            // What the host lets in later is let in.
            command("nft flush ruleset");
            let engine = engine.restarted();
            assert!(reached(lab, 8081));
            drop(engine);
        });
    }
}

#[test]
fn without_being_asked_the_hosts_rules_do_not_bind_published_ports() {
    in_lab(|lab| {
        load(lab, include_str!("rules/ufw.nft"));
        let engine = start(lab, "engine", false);
        let (_container, _server) = web(&engine);
        assert!(reached(lab, 8080) && reached(lab, 8081));
    });
}

#[test]
fn datagrams_are_asked_for_as_well() {
    in_lab(|lab| {
        load(lab, PLAIN);
        let engine = start(lab, "engine", true);
        let ports = vec![udp(&tcp(5353, 53)), udp(&tcp(5454, 53))];
        let container = engine.container("names", ports);
        let _server = Server::udp(&container.namespace, 53);
        let seen = lab.lan.run(|| ask_udp(HOST, 5353));
        assert_eq!(seen.unwrap(), IpAddr::V4(LAN));
        for _ in 0..2 {
            assert!(lab.lan.run(|| ask_udp_briefly(HOST, 5454)).is_err());
        }
    });
}

/// A firewall that drops what is forwarded, with Docker's chain for the rules of others.
const DOCKER_USER: &str = "add table ip filter
add chain ip filter DOCKER-USER
add rule ip filter DOCKER-USER ip saddr 10.99.0.9 drop
add rule ip filter DOCKER-USER counter return
add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }
add rule ip filter FORWARD jump DOCKER-USER
";

/// Does a container reach the LAN, and the LAN the container?
fn passes(lab: &Lab, container: &Container) -> bool {
    let _outside = Server::tcp(&lab.lan, 9000);
    container.namespace.run(|| ask(LAN, 9000)).is_ok() && reached(lab, 8080)
}

#[test]
fn bridges_are_let_through_where_others_keep_a_place_for_it() {
    for (rules, chain) in [
        (DOCKER_USER, "DOCKER-USER"),
        (include_str!("rules/ufw.nft"), "ufw-user-forward"),
    ] {
        in_lab(|lab| {
            load(lab, rules);
            let engine = start(lab, "engine", false);
            let (container, _server) = web(&engine);
            assert!(passes(lab, &container), "{chain}");
            let live = container.live();
            let warnings = engine.networks.recover(&live).unwrap().warnings;
            assert!(
                !warnings.iter().any(|w| w.contains("drops forwarded")),
                "{warnings:?}"
            );
            let listed = || command(&format!("nft list chain ip filter {chain}"));
            let tag = format!("comment \"gantry_{} ", engine.config.engine);
            let once = listed();
            assert_eq!(once.matches(&tag).count(), 2, "{once}");
            let foreign = once.find("10.99.0.9").unwrap_or(0);
            let own = once.find(&tag).unwrap();
            let end = once.find("return").unwrap_or(usize::MAX);
            assert!(
                foreign < own && own < end,
                "behind what others said: {once}"
            );
            // Again and again the same.
            let engine = engine.restarted();
            assert_eq!(listed(), once);
            let request = NetworkRequest {
                name: "more".to_owned(),
                ipv4: true,
                ..NetworkRequest::default()
            };
            engine.networks.create(&request).unwrap();
            assert_eq!(listed().matches(&tag).count(), 4);
            engine.networks.remove("more").unwrap();
            assert_eq!(listed().matches(&tag).count(), 2);
        });
    }
}

#[test]
fn a_reload_that_takes_our_rules_away_is_followed_by_them() {
    in_lab(|lab| {
        load(lab, include_str!("rules/ufw.nft"));
        let store = Arc::new(MemoryStore::default());
        let networks = Arc::new(Networks::open(lab.config("engine"), store).unwrap());
        networks.watch_firewall().unwrap();
        let there = || command("nft list chain ip filter ufw-user-forward").contains("gantry_");
        assert!(there());
        command("nft flush chain ip filter ufw-user-forward");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !there() {
            assert!(Instant::now() < deadline, "the rules are not back");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn what_firewalld_cuts_off_is_told() {
    in_lab(|lab| {
        load(lab, include_str!("rules/firewalld.nft"));
        let engine = start(lab, "engine", false);
        let none = BTreeSet::new();
        let warnings = engine.networks.recover(&none).unwrap().warnings;
        assert!(
            warnings.iter().any(|w| w.starts_with("firewalld rejects")),
            "{warnings:?}"
        );
        let (container, _server) = web(&engine);
        assert!(reached(lab, 8080) && !passes(lab, &container), "as it says");
    });
}
