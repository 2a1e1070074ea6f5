//! Coming, being there, going; and two engines beside each other.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gantry_ids::ContainerId;
use gantry_network::{EndpointRequest, HostPort, MacAddr, MemoryStore, NetworkError, PortRequest};

use crate::lab::{Engine, LAN, Namespace, command, in_lab, tcp};
use crate::talk::{Server, ask};

#[test]
fn a_container_gets_what_docker_gives_and_leaves_nothing() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c1", vec![tcp(8080, 80)]);
        let endpoint = &container.endpoint;
        assert_eq!(endpoint.ip, Some(Ipv4Addr::new(172, 17, 0, 2)));
        assert_eq!(
            (endpoint.prefix, endpoint.gateway),
            (16, Some(Ipv4Addr::new(172, 17, 0, 1)))
        );
        assert_eq!(endpoint.mac, Some(MacAddr([2, 0x42, 172, 17, 0, 2])));
        let inside = container.namespace.run(|| {
            (
                command("ip -o address"),
                command("ip route"),
                command("cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6"),
            )
        });
        assert!(
            inside
                .0
                .contains("eth0    inet 172.17.0.2/16 brd 172.17.255.255"),
            "{}",
            inside.0
        );
        assert!(!inside.0.contains("fe80"), "{}", inside.0);
        assert_eq!(
            inside.1,
            "default via 172.17.0.1 dev eth0 \n172.17.0.0/16 dev eth0 proto kernel scope link src 172.17.0.2 \n"
        );
        assert_eq!(inside.2, "1\n");

        let shown = engine.networks.inspect("bridge").unwrap();
        assert_eq!(shown.ipam[0].subnet.to_string(), "172.17.0.0/16");
        assert_eq!(
            shown.endpoints[0].ipv4.unwrap().to_string(),
            "172.17.0.2/16"
        );
        engine.networks.rename(container.id(), "renamed").unwrap();
        let shown = engine.networks.inspect(&shown.id.as_str()[..12]).unwrap();
        assert_eq!(shown.endpoints[0].name, "renamed");

        engine.networks.release(container.id()).unwrap();
        assert!(engine.networks.sandbox(container.id()).is_none());
        assert!(
            engine
                .networks
                .inspect("bridge")
                .unwrap()
                .endpoints
                .is_empty()
        );
        drop(container);
        engine.assert_clean();
        engine
            .networks
            .release(&ContainerId::generate())
            .expect("who has nothing leaves nothing");
    });
}

#[test]
fn addresses_are_free_again_at_once_and_ports_too() {
    in_lab(|lab| {
        let engine = lab.engine();
        for _ in 0..5 {
            let container = engine.container("c", vec![tcp(8080, 80)]);
            assert_eq!(container.ip(), Ipv4Addr::new(172, 17, 0, 2));
            engine.networks.release(container.id()).unwrap();
        }
        engine.assert_clean();
    });
}

#[test]
fn host_and_none_only_note_who_is_there() {
    in_lab(|lab| {
        let engine = lab.engine();
        let names: Vec<_> = engine
            .networks
            .list()
            .into_iter()
            .map(|n| (n.name, n.driver))
            .collect();
        let pair = |name: &str, driver: &str| (name.to_owned(), driver.to_owned());
        assert_eq!(
            names,
            [
                pair("bridge", "bridge"),
                pair("host", "host"),
                pair("none", "null")
            ]
        );
        for network in ["host", "none"] {
            let id = ContainerId::generate();
            let mut request = EndpointRequest::new(id.clone(), "c", network);
            request.ports = vec![tcp(80, 80)];
            let endpoint = engine.networks.connect(&request).unwrap();
            assert_eq!((endpoint.ip, endpoint.ports.len()), (None, 0));
            assert_eq!(engine.networks.inspect(network).unwrap().endpoints.len(), 1);
            engine.networks.release(&id).unwrap();
        }
        engine.assert_clean();
    });
}

#[test]
fn bad_requests_are_refused_and_leave_nothing() {
    in_lab(|lab| {
        let engine = lab.engine();
        let id = ContainerId::generate();
        let request = EndpointRequest::new(id.clone(), "c", "bridge");
        let connect = |request: &EndpointRequest| engine.networks.connect(request).unwrap_err();
        assert!(matches!(connect(&request), NetworkError::NoSandbox(_)));
        engine.networks.create_sandbox(&id).unwrap();
        let asked = EndpointRequest {
            ip: Some(Ipv4Addr::new(172, 17, 0, 9)),
            ..request.clone()
        };
        assert!(matches!(
            connect(&asked),
            NetworkError::AddressNeedsUserSubnet
        ));
        let unknown = EndpointRequest {
            network: "nosuch".to_owned(),
            ..request.clone()
        };
        assert_eq!(connect(&unknown).to_string(), "network nosuch not found");
        engine.networks.connect(&request).unwrap();
        assert!(matches!(
            connect(&request),
            NetworkError::AlreadyConnected { .. }
        ));
        engine.networks.disconnect(&id, "bridge").unwrap();
        assert!(matches!(
            engine.networks.disconnect(&id, "bridge"),
            Err(NetworkError::NotConnected { .. })
        ));
        engine.networks.connect(&request).expect("it can come back");
        engine.networks.release(&id).unwrap();
        engine.assert_clean();
    });
}

#[test]
fn two_engines_choose_different_subnets_and_keep_apart() {
    in_lab(|lab| {
        let one = lab.engine();
        let two = Engine::start(lab.config("other"), Arc::new(MemoryStore::default()));
        let a = one.container("a", vec![tcp(8080, 80)]);
        let b = two.container("b", vec![tcp(8081, 80)]);
        assert_eq!((a.ip().octets()[1], b.ip().octets()[1]), (17, 18));
        let nobody = std::collections::BTreeSet::new();
        let recovery = two.networks.recover(&nobody).unwrap();
        assert_eq!(recovery.swept.len(), 1, "{recovery:?}");
        drop(b);
        two.assert_clean();
        assert_eq!(one.veths(), 1);
        assert!(one.table().contains("172.17.0.2 . 80"));
        one.networks.release(a.id()).unwrap();
        drop(a);
        one.assert_clean();
    });
}

#[test]
fn many_at_once_never_share_an_address_or_a_port_and_leave_nothing() {
    in_lab(|lab| {
        let engine = lab.engine();
        let held = Mutex::new(BTreeSet::new());
        let one_after_another = |seed: u64| {
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..12 {
                let any = PortRequest {
                    host_port: HostPort::Any,
                    ..tcp(1, 80)
                };
                let endpoint = engine.connect("c", vec![any]).unwrap();
                let own = [
                    (endpoint.ip.unwrap(), 0),
                    (Ipv4Addr::UNSPECIFIED, endpoint.ports[0].host_port),
                ];
                for held_by_one in own {
                    assert!(
                        held.lock().unwrap().insert(held_by_one),
                        "{held_by_one:?} was given twice"
                    );
                }
                if random.bool() {
                    std::thread::yield_now();
                }
                for given_back in own {
                    held.lock().unwrap().remove(&given_back);
                }
                engine.networks.release(&endpoint.container).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for seed in 0..8 {
                scope.spawn(move || one_after_another(seed));
            }
        });
        engine.assert_clean();
        assert!(
            engine
                .networks
                .inspect("bridge")
                .unwrap()
                .endpoints
                .is_empty()
        );
    });
}

#[test]
fn a_connect_that_fails_half_way_is_undone() {
    in_lab(|lab| {
        let engine = lab.engine();
        let id = ContainerId::generate();
        let sandbox = engine.networks.create_sandbox(&id).unwrap();
        // Somebody has put an eth0 there.
        Namespace::at(&sandbox.path).run(|| command("ip link add eth0 type bridge"));
        let mut request = EndpointRequest::new(id.clone(), "c", "bridge");
        request.ports = vec![tcp(8080, 80)];
        let error = engine.networks.connect(&request).unwrap_err();
        assert!(matches!(error, NetworkError::Links(_)), "{error:?}");
        assert_eq!(engine.veths(), 0);
        assert_eq!(engine.networks.endpoints(&id), []);
        let next = engine.container("next", vec![tcp(8080, 80)]);
        assert_eq!(next.ip(), Ipv4Addr::new(172, 17, 0, 2));
        engine.networks.release(next.id()).unwrap();
        engine.networks.release(&id).unwrap();
        drop(next);
        engine.assert_clean();
    });
}

/// A counter of the kernel's tables, in which a line of names stands above a line of values.
fn counter(table: &str, group: &str, name: &str) -> u64 {
    let mut lines = table.lines().filter(|line| line.starts_with(group));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let at = names.split_whitespace().position(|n| n == name).unwrap();
    values.split_whitespace().nth(at).unwrap().parse().unwrap()
}

#[test]
fn a_container_may_send_as_soon_as_it_is_connected() {
    in_lab(|lab| {
        let engine = lab.engine();
        let _server = Server::tcp(&lab.lan, 7000);
        for _ in 0..10 {
            let container = engine.container("c", vec![]);
            let sent_again = container.namespace.run(|| {
                ask(LAN, 7000).unwrap();
                let counters = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
                counter(&counters, "Tcp:", "RetransSegs")
            });
            assert_eq!(sent_again, 0, "a first packet was lost");
            engine.networks.release(container.id()).unwrap();
        }
    });
}

#[test]
fn a_container_that_restarts_at_once_keeps_its_new_namespace() {
    in_lab(|lab| {
        let engine = lab.engine();
        let _server = Server::tcp(&lab.lan, 7000);
        let id = ContainerId::generate();
        let request = EndpointRequest::new(id.clone(), "c", "bridge");
        for pause_ms in [0, 5, 15, 20, 25, 30, 40] {
            let sandbox = engine.networks.create_sandbox(&id).unwrap();
            engine.networks.connect(&request).unwrap();
            // Long enough for what the last round left to be torn down.
            engine.networks.drain();
            Namespace::at(&sandbox.path).run(|| ask(LAN, 7000)).unwrap();
            engine.networks.release(&id).unwrap();
            std::thread::sleep(Duration::from_millis(pause_ms));
        }
        engine.assert_clean();
    });
}
