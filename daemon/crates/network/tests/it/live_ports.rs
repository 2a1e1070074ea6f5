//! Published ports that change while the container runs.

use std::net::{TcpListener, UdpSocket};

use gantry_errors::chain;
use gantry_network::PublishedPort;

use crate::lab::{Container, Engine, HOST, in_lab, tcp, udp};
use crate::talk::{
    BRIEFLY, PATIENCE, Server, ask, ask_briefly, ask_udp, ask_udp_briefly, converse,
};

fn ports(engine: &Engine, container: &Container) -> Vec<PublishedPort> {
    let endpoints = engine.networks.endpoints(container.id());
    endpoints.into_iter().flat_map(|e| e.ports).collect()
}

fn on(all: &[PublishedPort], host_port: u16) -> Vec<PublishedPort> {
    let found = all.iter().filter(|port| port.host_port == host_port);
    found.cloned().collect()
}

/// The table's parts in an order of their own: the kernel's is that of its hashes.
fn elements(engine: &Engine) -> Vec<String> {
    let table = engine.table();
    let parts = table.split(['\n', ',', '{', '}']).map(str::trim);
    let mut parts: Vec<_> = parts.map(str::to_owned).collect();
    parts.sort();
    parts
}

/// Changes and keeps it.
fn change(
    engine: &Engine,
    container: &Container,
    remove: &[u16],
    add: &[gantry_network::PortRequest],
) {
    let there = ports(engine, container);
    let remove: Vec<_> = remove.iter().flat_map(|port| on(&there, *port)).collect();
    let changed = engine.networks.change_ports(container.id(), &remove, add);
    engine.networks.keep_ports(changed.unwrap().unwrap());
}

#[test]
fn ports_come_and_go_while_a_container_runs() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c", vec![tcp(8080, 80)]);
        let _web = Server::tcp(&container.namespace, 80);
        let _other = Server::tcp(&container.namespace, 81);
        let _names = Server::udp(&container.namespace, 53);
        let reached = |port: u16| lab.lan.run(|| ask(HOST, port)).is_ok();
        let closed = |port: u16| lab.lan.run(|| ask_briefly(HOST, port)).is_err();
        assert!(reached(8080) && closed(9090));

        change(
            &engine,
            &container,
            &[],
            &[tcp(9090, 81), udp(&tcp(5353, 53))],
        );
        assert!(reached(8080) && reached(9090));
        assert!(lab.lan.run(|| ask_udp(HOST, 5353)).is_ok());
        assert!(TcpListener::bind("0.0.0.0:9090").is_err(), "it is held");

        change(&engine, &container, &[8080, 5353], &[]);
        assert!(closed(8080) && reached(9090));
        assert!(lab.lan.run(|| ask_udp_briefly(HOST, 5353)).is_err());
        let table = engine.table();
        assert!(
            !table.contains("8080") && !table.contains("5353"),
            "{table}"
        );

        let engine = engine.restarted();
        assert!(
            closed(8080) && reached(9090),
            "as it was before the restart"
        );
        assert_eq!(on(&ports(&engine, &container), 8080), []);
        engine.networks.release(container.id()).unwrap();
        drop(container);
        engine.assert_clean();
    });
}

#[test]
fn who_talks_by_a_port_that_is_taken_away_is_cut_off_and_nobody_else() {
    in_lab(|lab| {
        let engine = lab.engine();
        let both = vec![udp(&tcp(5353, 53)), udp(&tcp(5454, 53))];
        let container = engine.container("c", both);
        let _names = Server::udp(&container.namespace, 53);
        let client = |port: u16| {
            let socket = lab.lan.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
            socket.connect((HOST, port)).unwrap();
            socket
        };
        let answers = |client: &UdpSocket| converse(client, PATIENCE).is_ok();
        let cut_off = |client: &UdpSocket| converse(client, BRIEFLY).is_err();
        let (one, other) = (client(5353), client(5454));
        assert!(answers(&one) && answers(&other));
        change(&engine, &container, &[5353], &[]);
        assert!(cut_off(&one) && answers(&other));
    });
}

#[test]
fn a_port_of_the_host_leads_elsewhere_in_one_step() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c", vec![tcp(8080, 80)]);
        let _other = Server::tcp(&container.namespace, 81);
        change(&engine, &container, &[8080], &[tcp(8080, 81)]);
        lab.lan.run(|| ask(HOST, 8080)).unwrap();
        assert!(TcpListener::bind("0.0.0.0:8080").is_err(), "it is held on");
        let rest: Vec<_> = ports(&engine, &container)
            .iter()
            .map(|port| port.container_port)
            .collect();
        assert!(
            !rest.is_empty() && rest.iter().all(|port| *port == 81),
            "{rest:?}"
        );
    });
}

#[test]
fn a_change_that_cannot_be_made_changes_nothing() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c", vec![tcp(8080, 80)]);
        let _web = Server::tcp(&container.namespace, 80);
        let _foreign = engine.container("other", vec![tcp(9000, 80)]);
        let process = TcpListener::bind("0.0.0.0:9001").unwrap();
        let before = (ports(&engine, &container), elements(&engine));
        for (taken, words) in [
            (
                9000,
                "Bind for 0.0.0.0:9000 failed: port is already allocated",
            ),
            (9001, "address already in use"),
        ] {
            let remove = on(&before.0, 8080);
            let add = [tcp(7000, 70), tcp(taken, 80)];
            let refused = engine.networks.change_ports(container.id(), &remove, &add);
            let text = chain(&refused.unwrap_err()).to_string();
            assert!(text.ends_with(words), "{text}");
            assert_eq!((ports(&engine, &container), elements(&engine)), before);
            lab.lan.run(|| ask(HOST, 8080)).unwrap();
        }
        drop(process);
        // What was given back is free for others, and what was not taken away is not.
        engine.container("third", vec![tcp(7000, 80)]);
        assert!(engine.connect("fourth", vec![tcp(8080, 80)]).is_err());
    });
}

#[test]
fn a_change_is_reverted_as_if_it_had_never_been() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c", vec![tcp(8080, 80), udp(&tcp(5353, 53))]);
        let _web = Server::tcp(&container.namespace, 80);
        let before = (ports(&engine, &container), elements(&engine));
        let change = engine
            .networks
            .change_ports(container.id(), &before.0, &[tcp(8080, 81), tcp(9090, 80)])
            .unwrap()
            .unwrap();
        lab.lan.run(|| ask(HOST, 9090)).unwrap();
        assert!(
            engine.connect("other", vec![udp(&tcp(5353, 53))]).is_err(),
            "what may come back is nobody else's"
        );
        engine.networks.revert_ports(change);
        assert_eq!(ports(&engine, &container), before.0);
        assert_eq!(elements(&engine), before.1);
        lab.lan.run(|| ask(HOST, 8080)).unwrap();
        assert!(lab.lan.run(|| ask_briefly(HOST, 9090)).is_err());
        engine.container("third", vec![tcp(9090, 80)]);
    });
}
