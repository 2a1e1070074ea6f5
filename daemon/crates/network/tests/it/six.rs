//! IPv6: addresses, the ways in and out, and what stays shut.

use std::net::{IpAddr, Ipv6Addr};

use gantry_ids::ContainerId;
use gantry_network::{Endpoint, EndpointRequest, NetworkRequest, PortRequest, SubnetRequest};

use crate::lab::{Engine, HOST, HOST6, LAN6, Lab, Namespace, at, command, in_lab, tcp, udp};
use crate::talk::{Server, ask, ask_briefly};

pub(crate) fn with_subnets(name: &str, subnets: &[&str]) -> NetworkRequest {
    let pool = |subnet: &&str| SubnetRequest {
        subnet: (*subnet).to_owned(),
        ..SubnetRequest::default()
    };
    NetworkRequest {
        name: name.to_owned(),
        ipv4: true,
        ipv6: true,
        subnets: subnets.iter().map(pool).collect(),
        ..NetworkRequest::default()
    }
}

/// A container of one network.
pub(crate) struct Member {
    pub(crate) inside: Namespace,
    pub(crate) endpoint: Endpoint,
}

impl Member {
    pub(crate) fn join(engine: &Engine, network: &str, ports: Vec<PortRequest>) -> Self {
        let id = ContainerId::generate();
        engine.networks.create_sandbox(&id).unwrap();
        let request = EndpointRequest {
            ports,
            ..EndpointRequest::new(id.clone(), &id.as_str()[..6], network)
        };
        let endpoint = engine.networks.connect(&request).unwrap();
        Self {
            inside: Namespace::at(&engine.networks.sandbox(&id).unwrap().path),
            endpoint,
        }
    }

    pub(crate) fn ip6(&self) -> Ipv6Addr {
        self.endpoint.ip6.unwrap()
    }
}

fn six(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// An engine whose default bridge has IPv6.
fn with_default_bridge(lab: &Lab) -> Engine {
    let mut config = lab.config("engine");
    config.ipv6 = true;
    config.fixed_cidr_v6 = Some("2001:db8:17::/64".parse().unwrap());
    Engine::start(
        config,
        std::sync::Arc::new(gantry_network::MemoryStore::default()),
    )
}

#[test]
fn published_ports_are_reached_by_ipv6_and_nothing_else_is() {
    in_lab(|lab| {
        let engine = with_default_bridge(lab);
        let web = engine.container("web", vec![tcp(8080, 80), at(HOST6, &tcp(8081, 80))]);
        assert_eq!(web.endpoint.ip6, Some(six("2001:db8:17::2")));
        assert_eq!(web.endpoint.gateway6, Some(six("2001:db8:17::1")));
        let hosts: Vec<_> = web
            .endpoint
            .ports
            .iter()
            .map(|p| p.host_ip.to_string())
            .collect();
        assert_eq!(hosts, ["0.0.0.0", "::", "2001:db8:99::1"]);
        let servers = [80, 81].map(|port| Server::tcp_of_both(&web.namespace, port));
        lab.lan.run(|| {
            for port in [8080, 8081] {
                assert_eq!(
                    ask(HOST6, port).unwrap(),
                    IpAddr::V6(LAN6),
                    "the real client is seen"
                );
            }
            ask(HOST, 8080).expect("by IPv4 too");
            ask_briefly(HOST, 8081).expect_err("on the IPv6 address alone");
            for port in [80, 81] {
                ask_briefly(six("2001:db8:17::2"), port).expect_err("routed past the host's ports");
            }
        });
        assert_eq!(
            ask(HOST6, 8080).unwrap(),
            IpAddr::V6(HOST6),
            "a process of the host"
        );
        let own = web.namespace.run(|| ask(HOST6, 8080)).unwrap();
        assert_eq!(
            own,
            IpAddr::V6(six("2001:db8:17::1")),
            "a container by its own port"
        );
        drop(servers);
        let lan = Server::tcp_of_both(&lab.lan, 7000);
        let seen = web.namespace.run(|| ask(LAN6, 7000)).unwrap();
        assert_eq!(seen, IpAddr::V6(HOST6), "hidden behind the host");
        drop(lan);
        engine.networks.release(web.id()).unwrap();
        engine.assert_clean();
        lab.lan
            .run(|| ask_briefly(HOST6, 8080))
            .expect_err("released");
    });
}

#[test]
fn networks_of_ipv6_are_apart_and_internal_ones_lead_nowhere() {
    in_lab(|lab| {
        let engine = lab.engine();
        engine.networks.create(&with_subnets("one", &[])).unwrap();
        let mut only = with_subnets("two", &["2001:db8:2::/64"]);
        only.ipv4 = false;
        engine.networks.create(&only).unwrap();
        let mut inner = with_subnets("inner", &["2001:db8:3::/64"]);
        inner.internal = true;
        engine.networks.create(&inner).unwrap();
        let one = Member::join(&engine, "one", vec![]);
        let two = Member::join(&engine, "two", vec![tcp(9080, 80)]);
        let inner = Member::join(&engine, "inner", vec![]);
        assert_eq!(one.ip6().octets()[0], 0xfd, "of the engine's own range");
        assert_eq!((two.endpoint.ip, two.endpoint.ports.len()), (None, 1));
        assert_eq!(
            (inner.endpoint.gateway, inner.endpoint.gateway6),
            (None, None)
        );
        let servers = [&one, &two, &inner].map(|m| Server::tcp_of_both(&m.inside, 80));
        let outside = Server::tcp_of_both(&lab.lan, 7000);
        for (from, to) in [(&one, &two), (&two, &one), (&one, &inner), (&two, &inner)] {
            from.inside
                .run(|| ask_briefly(to.ip6(), 80))
                .expect_err("another network");
        }
        for member in [&one, &two, &inner] {
            ask(member.ip6(), 80).expect("by the host");
            lab.lan
                .run(|| ask_briefly(member.ip6(), 80))
                .expect_err("by the LAN");
        }
        one.inside.run(|| ask(LAN6, 7000)).expect("the way out");
        inner.inside.run(|| {
            ask_briefly(LAN6, 7000).expect_err("no way out");
            command("ip -6 route add default via 2001:db8:3::1");
            ask_briefly(LAN6, 7000).expect_err("not by a route of its own making either");
            ask_briefly(two.ip6(), 80).expect_err("nor to another network");
        });
        lab.lan
            .run(|| ask(HOST6, 9080))
            .expect("published by IPv6 alone");
        drop((servers, outside));
    });
}

#[test]
fn forged_sources_and_the_hosts_loopback_are_refused() {
    in_lab(|lab| {
        let engine = lab.engine();
        engine
            .networks
            .create(&with_subnets("net", &["2001:db8:2::/64"]))
            .unwrap();
        let web = Member::join(
            &engine,
            "net",
            vec![at(Ipv6Addr::LOCALHOST, &tcp(8080, 80))],
        );
        let _server = Server::tcp_of_both(&web.inside, 80);
        let outside = Server::tcp_of_both(&lab.lan, 7000);
        lab.lan.run(|| {
            ask_briefly(HOST6, 8080).expect_err("published on ::1 alone");
            command("ip -6 address del ::1/128 dev lo");
            command(&format!("ip -6 route add ::1/128 via {HOST6} dev eth0"));
            ask_briefly(Ipv6Addr::LOCALHOST, 8080).expect_err("::1 is the host's own");
        });
        web.inside.run(|| {
            ask(LAN6, 7000).expect("as itself");
            command("ip -6 address add 2001:db8:50::1/128 dev eth0 nodad");
            command("ip -6 route replace default via 2001:db8:2::1 src 2001:db8:50::1 dev eth0");
            ask_briefly(LAN6, 7000).expect_err("under an address that the host routes elsewhere");
        });
        drop(outside);
    });
}

#[test]
fn addresses_are_asked_for_kept_and_given_back() {
    in_lab(|lab| {
        let engine = lab.engine();
        engine
            .networks
            .create(&with_subnets("net", &["2001:db8:2::/64", "10.5.0.0/24"]))
            .unwrap();
        let id = ContainerId::generate();
        engine.networks.create_sandbox(&id).unwrap();
        let request = EndpointRequest {
            ip6: Some(six("2001:db8:2::77")),
            link_local: vec![six("fe80::77").into()],
            names: vec!["web".to_owned()],
            ..EndpointRequest::new(id.clone(), "web", "net")
        };
        let endpoint = engine.networks.connect(&request).unwrap();
        let engine = engine.restarted();
        let other = EndpointRequest {
            container: ContainerId::generate(),
            ..request.clone()
        };
        engine.networks.create_sandbox(&other.container).unwrap();
        let refused = engine.networks.connect(&other).unwrap_err();
        assert_eq!(refused.to_string(), "Address already in use");
        let inside = Namespace::at(&engine.networks.sandbox(&id).unwrap().path);
        let shown = inside.run(|| command("ip -6 address show dev eth0"));
        for address in ["2001:db8:2::77/64", "fe80::77/64"] {
            assert!(shown.contains(address), "{shown}");
        }
        let table =
            std::fs::read_to_string(engine.config.names_dir.join(endpoint.network.as_str()));
        assert!(table.unwrap().contains("name web 2001:db8:2::77\n"));
        let live = std::collections::BTreeSet::from([id.clone()]);
        engine.networks.recover(&live).unwrap();
        engine.networks.release(&other.container).unwrap();
        engine.networks.disconnect(&id, "net").unwrap();
        let again = engine.networks.connect(&request).unwrap();
        assert_eq!(again.ip6, Some(six("2001:db8:2::77")));
        engine.networks.release(&id).unwrap();
        engine.networks.remove("net").unwrap();
        engine.assert_clean();
        let tables = command("nft list tables");
        assert!(
            !tables.contains(&format!("ip6 gantry_{}", engine.config.engine)),
            "{tables}"
        );
    });
}

#[test]
fn what_the_kernel_cannot_carry_is_relayed() {
    in_lab(|lab| {
        let engine = lab.engine();
        let old = engine.container("old", vec![tcp(8080, 80)]);
        engine.networks.create(&with_subnets("net", &[])).unwrap();
        let new = Member::join(&engine, "net", vec![tcp(8081, 80)]);
        let server = Server::tcp_of_both(&old.namespace, 80);
        let _other = Server::tcp_of_both(&new.inside, 80);
        for port in [8080, 8081] {
            ask(Ipv6Addr::LOCALHOST, port).expect("a process of the host by [::1]");
        }
        lab.lan
            .run(|| ask(HOST6, 8080))
            .expect("a container without IPv6, by IPv6");
        let udp_alone = engine.container("udp", vec![udp(&tcp(8080, 80))]);
        engine.networks.release(udp_alone.id()).unwrap();
        ask(Ipv6Addr::LOCALHOST, 8080).expect("the same number of UDP was another's");
        // The daemon is away: refused at once, so that a client goes on to 127.0.0.1.
        let config = engine.config.clone();
        let store = std::sync::Arc::clone(&engine.store);
        drop(engine.networks);
        let refused = ask_briefly(Ipv6Addr::LOCALHOST, 8080).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let engine = Engine::start(config, store);
        ask(Ipv6Addr::LOCALHOST, 8080).expect("it is back");
        drop(server);
        engine.networks.release(old.id()).unwrap();
        let refused = ask_briefly(Ipv6Addr::LOCALHOST, 8080).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let next = engine.container("next", vec![tcp(8080, 81)]);
        let _server = Server::tcp_of_both(&next.namespace, 81);
        ask(Ipv6Addr::LOCALHOST, 8080).expect("its next owner");
    });
}
