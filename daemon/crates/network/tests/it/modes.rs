//! How a network stands to others: gateway modes, chosen host addresses, trusted devices, settings from
//! another network, links on devices that lead nowhere.

use std::net::IpAddr;

use gantry_network::NetworkRequest;

use crate::lab::{HOST, HOST6, LAN, LAN6, command, in_lab, tcp};
use crate::six::{Member, with_subnets};
use crate::talk::{Server, ask, ask_briefly};

fn with_options(name: &str, subnets: &[&str], options: &[(&str, &str)]) -> NetworkRequest {
    let option =
        |(key, value): &(&str, &str)| (format!("com.docker.network.{key}"), (*value).to_owned());
    NetworkRequest {
        options: options.iter().map(option).collect(),
        ..with_subnets(name, subnets)
    }
}

const SUBNETS: [&str; 2] = ["10.5.0.0/24", "2001:db8:5::/64"];

#[test]
fn a_routed_network_is_reached_at_its_own_addresses_by_published_ports_alone() {
    in_lab(|lab| {
        let engine = lab.engine();
        let routed = [
            ("bridge.gateway_mode_ipv4", "routed"),
            ("bridge.gateway_mode_ipv6", "routed"),
        ];
        engine
            .networks
            .create(&with_options("net", &SUBNETS, &routed))
            .unwrap();
        let web = Member::join(&engine, "net", vec![tcp(8080, 80)]);
        assert!(web.endpoint.ports.iter().all(|port| port.host_port == 0));
        let _servers = [80, 81].map(|port| Server::tcp_of_both(&web.inside, port));
        let addresses = [IpAddr::V4(web.endpoint.ip.unwrap()), IpAddr::V6(web.ip6())];
        lab.lan.run(|| {
            for address in addresses {
                ask(address, 80).unwrap_or_else(|e| panic!("{address} {e}"));
                ask_briefly(address, 81).expect_err("not published");
            }
            ask_briefly(HOST, 8080).expect_err("nothing is rewritten");
            ask_briefly(HOST6, 8080).expect_err("nothing is rewritten");
            command(&format!("busybox ping -c 1 -W 2 {}", addresses[0]));
        });
        let outside = Server::tcp_of_both(&lab.lan, 7000);
        for (to, own) in [
            (IpAddr::V4(LAN), addresses[0]),
            (IpAddr::V6(LAN6), addresses[1]),
        ] {
            assert_eq!(web.inside.run(|| ask(to, 7000)).unwrap(), own, "not hidden");
        }
        drop(outside);
        engine.networks.release(&web.endpoint.container).unwrap();
        lab.lan
            .run(|| ask_briefly(addresses[0], 80))
            .expect_err("released");
    });
}

#[test]
fn an_unprotected_network_and_trusted_devices_let_others_in() {
    in_lab(|lab| {
        let engine = lab.engine();
        let open = [("bridge.gateway_mode_ipv4", "nat-unprotected")];
        engine
            .networks
            .create(&with_options("open", &["10.5.0.0/24"], &open))
            .unwrap();
        let trusted = [("bridge.trusted_host_interfaces", "lan0:other0")];
        engine
            .networks
            .create(&with_options("trusted", &["10.6.0.0/24"], &trusted))
            .unwrap();
        let one = Member::join(&engine, "open", vec![]);
        let two = Member::join(&engine, "trusted", vec![tcp(8080, 80)]);
        let _servers = [
            Server::tcp(&one.inside, 81),
            Server::tcp(&two.inside, 80),
            Server::tcp(&two.inside, 81),
        ];
        let [one, two] = [one, two].map(|member| member.endpoint.ip.unwrap());
        lab.lan.run(|| {
            ask(one, 81).expect("every port");
            ask(two, 80).expect("a published port, by a trusted device");
            ask_briefly(two, 81).expect_err("not published");
            ask(HOST, 8080).expect("at the host's address as ever");
        });
    });
}

#[test]
fn containers_hide_behind_the_address_that_was_chosen() {
    in_lab(|lab| {
        command("ip address add 10.99.0.7/24 dev lan0");
        command("ip address add 2001:db8:99::7/64 dev lan0 nodad");
        let engine = lab.engine();
        let chosen = [("host_ipv4", "10.99.0.7"), ("host_ipv6", "2001:db8:99::7")];
        engine
            .networks
            .create(&with_options("net", &SUBNETS, &chosen))
            .unwrap();
        let member = Member::join(&engine, "net", vec![]);
        let outside = Server::tcp_of_both(&lab.lan, 7000);
        for (to, seen) in [
            (IpAddr::V4(LAN), "10.99.0.7"),
            (LAN6.into(), "2001:db8:99::7"),
        ] {
            assert_eq!(
                member.inside.run(|| ask(to, 7000)).unwrap().to_string(),
                seen
            );
        }
        drop(outside);
    });
}

#[test]
fn settings_are_taken_from_a_network_that_only_has_settings() {
    in_lab(|lab| {
        let engine = lab.engine();
        let settings = NetworkRequest {
            config_only: true,
            ipv6: false,
            ..with_options("settings", &["10.5.0.0/24"], &[("driver.mtu", "1300")])
        };
        assert_eq!(engine.networks.create(&settings).unwrap().driver, "null");
        let from = |name: &str, config: &str| NetworkRequest {
            name: name.to_owned(),
            ipv4: true,
            config_from: Some(config.to_owned()),
            ..NetworkRequest::default()
        };
        let refused = engine.networks.create(&from("net", "other")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "configuration network \"other\" does not exist"
        );
        let made = engine.networks.create(&from("net", "settings")).unwrap();
        assert_eq!(made.config_from.as_deref(), Some("settings"));
        assert_eq!(made.ipam[0].subnet.to_string(), "10.5.0.0/24");
        let member = Member::join(&engine, "net", vec![]);
        let link = member.inside.run(|| command("ip -o link show dev eth0"));
        assert!(link.contains("mtu 1300"), "{link}");
        let refused = engine.networks.remove("settings").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "configuration network \"settings\" is in use"
        );
        let request = gantry_network::EndpointRequest::new(
            member.endpoint.container.clone(),
            "web",
            "settings",
        );
        let refused = engine.networks.connect(&request).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "cannot create endpoint on configuration-only network"
        );
        engine.networks.release(&member.endpoint.container).unwrap();
        engine.networks.remove("net").unwrap();
        engine.networks.remove("settings").unwrap();
    });
}

#[test]
fn macvlan_without_a_parent_joins_containers_and_leads_nowhere() {
    in_lab(|lab| {
        let engine = lab.engine();
        let alone = NetworkRequest {
            driver: "macvlan".to_owned(),
            ..with_subnets("alone", &["10.5.0.0/29", "10.6.0.0/24", "2001:db8:5::/64"])
        };
        engine.networks.create(&alone).unwrap();
        let device = |engine: &crate::lab::Engine| {
            command("ip -o link")
                .matches(&format!(": d{}", engine.config.engine))
                .count()
        };
        assert_eq!(device(&engine), 1);
        let members: Vec<_> = (0..7)
            .map(|_| Member::join(&engine, "alone", vec![]))
            .collect();
        assert_eq!(
            members[5].endpoint.ip.unwrap().to_string(),
            "10.6.0.2",
            "the next subnet"
        );
        assert_eq!(members[0].endpoint.gateway, None);
        let _server = Server::tcp_of_both(&members[0].inside, 80);
        let first = members[0].endpoint.ip.unwrap();
        members[1].inside.run(|| {
            ask(first, 80).expect("a sibling");
            ask(members[0].ip6(), 80).expect("a sibling by IPv6");
            ask_briefly(HOST, 80).expect_err("nowhere");
        });
        command(&format!("ip link del d{}", &device_name(&engine)));
        let live = members
            .iter()
            .map(|m| m.endpoint.container.clone())
            .collect();
        engine.networks.recover(&live).unwrap();
        assert_eq!(device(&engine), 1, "made again");
        for member in &members {
            engine.networks.release(&member.endpoint.container).unwrap();
        }
        engine.networks.remove("alone").unwrap();
        engine.networks.drain();
        assert_eq!(device(&engine), 0);
    });
}

/// Without its first letter.
fn device_name(engine: &crate::lab::Engine) -> String {
    let links = command("ip -o link");
    let at = links.find(&format!("d{}", engine.config.engine)).unwrap();
    links[at + 1..at + 15].to_owned()
}

#[test]
fn published_ports_stay_where_the_host_can_reach_the_container() {
    in_lab(|lab| {
        let engine = lab.engine();
        let wire = NetworkRequest {
            driver: "macvlan".to_owned(),
            ipv6: false,
            options: [("parent".to_owned(), "lan0".to_owned())].into(),
            ..with_subnets("a-wire", &["10.99.0.0/24"])
        };
        command("ip address del 10.99.0.1/24 dev lan0");
        engine.networks.create(&wire).unwrap();
        let web = engine.container("web", vec![tcp(8080, 80)]);
        let request = gantry_network::EndpointRequest {
            gateway_priority: 9,
            ..gantry_network::EndpointRequest::new(web.id().clone(), "web", "a-wire")
        };
        engine.networks.connect(&request).unwrap();
        let endpoints = engine.networks.endpoints(web.id());
        let ports = |name: &str| {
            let found = endpoints.iter().find(|e| e.network_name == name).unwrap();
            found.ports.len()
        };
        assert_eq!(
            (ports("bridge"), ports("a-wire")),
            (2, 0),
            "of both families"
        );
        let _server = Server::tcp(&web.namespace, 80);
        ask(std::net::Ipv4Addr::LOCALHOST, 8080).expect("still published");
    });
}
