//! Who reaches whom, and under which address.

use std::net::{IpAddr, Ipv4Addr};

use crate::lab::{Engine, HOST, LAN, Lab, at, command, in_lab, tcp, udp};
use crate::talk::{Server, ask, ask_briefly, ask_udp, ask_udp_from, ask_udp_from_briefly};

const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));

#[test]
fn containers_reach_each_other_and_the_outside_under_the_hosts_address() {
    in_lab(|lab| {
        let engine = lab.engine();
        let (one, two) = (
            engine.container("one", vec![]),
            engine.container("two", vec![]),
        );
        let _inside = Server::tcp(&two.namespace, 80);
        let _outside = (Server::tcp(&lab.lan, 7000), Server::udp(&lab.lan, 7000));
        assert_eq!(
            one.namespace.run(|| ask(two.ip(), 80)).unwrap(),
            IpAddr::V4(one.ip())
        );
        assert_eq!(
            one.namespace.run(|| ask(LAN, 7000)).unwrap(),
            IpAddr::V4(HOST)
        );
        assert_eq!(
            one.namespace.run(|| ask_udp(LAN, 7000)).unwrap(),
            IpAddr::V4(HOST)
        );
        assert_eq!(
            ask(two.ip(), 80).unwrap(),
            BRIDGE,
            "the host itself needs no publication"
        );
    });
}

/// Runs a test both where frames within a bridge pass the IP firewall (`br_netfilter`) and where not.
fn with_and_without_bridge_firewall(test: impl Fn(&Lab) + Send + Sync) {
    for value in [0, 1] {
        in_lab(|lab| {
            let setting = format!("sysctl -q -w net.bridge.bridge-nf-call-iptables={value}");
            command(&setting);
            test(lab);
        });
    }
}

#[test]
fn a_published_port_is_reached_from_everywhere_and_sees_real_clients() {
    with_and_without_bridge_firewall(|lab| {
        let engine = lab.engine();
        let web = engine.container("web", vec![tcp(8080, 80), udp(&tcp(5300, 53))]);
        let other = engine.container("other", vec![]);
        let _servers = (
            Server::tcp(&web.namespace, 80),
            Server::udp(&web.namespace, 53),
        );
        assert_eq!(lab.lan.run(|| ask(HOST, 8080)).unwrap(), IpAddr::V4(LAN));
        assert_eq!(
            lab.lan.run(|| ask_udp(HOST, 5300)).unwrap(),
            IpAddr::V4(LAN)
        );
        // Processes of the host.
        assert_eq!(ask(Ipv4Addr::LOCALHOST, 8080).unwrap(), BRIDGE);
        assert_eq!(ask_udp(Ipv4Addr::LOCALHOST, 5300).unwrap(), BRIDGE);
        assert_eq!(ask(HOST, 8080).unwrap(), IpAddr::V4(HOST));
        // Hairpin: a sibling and the container itself, by the host's addresses.
        for address in [HOST, Ipv4Addr::new(172, 17, 0, 1)] {
            assert_eq!(other.namespace.run(|| ask(address, 8080)).unwrap(), BRIDGE);
            assert_eq!(web.namespace.run(|| ask(address, 8080)).unwrap(), BRIDGE);
            assert_eq!(
                web.namespace.run(|| ask_udp(address, 5300)).unwrap(),
                BRIDGE
            );
        }
    });
}

#[test]
fn what_is_not_published_is_not_reached_from_outside() {
    with_and_without_bridge_firewall(|lab| {
        let engine = lab.engine();
        let web = engine.container("web", vec![tcp(8080, 80)]);
        let _servers = (
            Server::tcp(&web.namespace, 80),
            Server::tcp(&web.namespace, 81),
        );
        // The LAN routes through the host, as a neighbour on the same wire can.
        lab.lan.run(|| {
            ask_briefly(web.ip(), 81).expect_err("not published");
            ask_briefly(web.ip(), 80).expect_err("published on the host, not here");
            ask_briefly(HOST, 81).expect_err("another port");
            ask(HOST, 8080).expect("published");
        });
    });
}

#[test]
fn a_publication_on_localhost_is_for_the_host_alone() {
    in_lab(|lab| {
        let engine = lab.engine();
        let web = engine.container("web", vec![at(Ipv4Addr::LOCALHOST, &tcp(8080, 80))]);
        let other = engine.container("other", vec![]);
        let _server = (
            Server::tcp(&web.namespace, 80),
            Server::udp(&web.namespace, 80),
        );
        assert_eq!(ask(Ipv4Addr::LOCALHOST, 8080).unwrap(), BRIDGE);
        let sneak = |gateway: &str, device: &str| {
            ask_briefly(HOST, 8080).expect_err("not on this address");
            // Send to 127.0.0.1 by way of the host, as whoever shares a wire with it can.
            command("ip address del 127.0.0.1/8 dev lo");
            command("sysctl -q -w net.ipv4.conf.all.route_localnet=1");
            command(&format!(
                "ip route add 127.0.0.0/8 via {gateway} dev {device}"
            ));
            ask_briefly(Ipv4Addr::LOCALHOST, 8080).expect_err("127.0.0.1 is the host's own");
        };
        lab.lan.run(|| sneak("10.99.0.1", "eth0"));
        other.namespace.run(|| sneak("172.17.0.1", "eth0"));
    });
}

#[test]
fn a_publication_on_one_address_is_not_on_another() {
    in_lab(|lab| {
        command("ip address add 10.99.0.8/24 dev lan0");
        let engine = lab.engine();
        let web = engine.container("web", vec![at(Ipv4Addr::new(10, 99, 0, 8), &tcp(8080, 80))]);
        let _server = Server::tcp(&web.namespace, 80);
        lab.lan.run(|| {
            assert_eq!(
                ask(Ipv4Addr::new(10, 99, 0, 8), 8080).unwrap(),
                IpAddr::V4(LAN)
            );
            ask_briefly(HOST, 8080).expect_err("another address");
        });
        ask_briefly(Ipv4Addr::LOCALHOST, 8080).expect_err("another address");
    });
}

#[test]
fn a_forged_source_goes_nowhere_in_either_direction() {
    in_lab(|lab| {
        let engine = lab.engine();
        let web = engine.container("web", vec![udp(&tcp(5300, 53))]);
        let _servers = (Server::udp(&lab.lan, 7000), Server::udp(&web.namespace, 53));
        let forged = Ipv4Addr::new(10, 50, 0, 1);
        // The LAN could answer: it routes everything through the host, which routes this to the bridge.
        web.namespace.run(|| {
            command("ip address add 10.50.0.1/32 dev eth0");
            ask_udp_from_briefly(forged, LAN, 7000)
                .expect_err("the host does not route this source to the bridge");
        });
        command(&format!("ip route add 10.50.0.1 via {}", web.ip()));
        web.namespace
            .run(|| ask_udp_from(forged, LAN, 7000))
            .expect("the administrator said so");

        lab.lan.run(|| {
            command("ip address add 172.17.0.9/32 dev eth0");
            let inside = Ipv4Addr::new(172, 17, 0, 9);
            ask_udp_from_briefly(inside, HOST, 5300).expect_err("an inner source from outside");
        });
    });
}

#[test]
fn without_icc_containers_meet_only_by_published_ports() {
    with_and_without_bridge_firewall(|lab| {
        let mut config = lab.config("engine");
        config.icc = false;
        let engine = Engine::start(
            config,
            std::sync::Arc::new(gantry_network::MemoryStore::default()),
        );
        let web = engine.container("web", vec![tcp(8080, 80)]);
        let other = engine.container("other", vec![]);
        let _servers = (Server::tcp(&web.namespace, 80), Server::tcp(&lab.lan, 7000));
        other.namespace.run(|| {
            ask_briefly(web.ip(), 80).expect_err("a sibling");
            ask(LAN, 7000).expect("the outside");
            ask(HOST, 8080).expect("a published port");
        });
    });
}
