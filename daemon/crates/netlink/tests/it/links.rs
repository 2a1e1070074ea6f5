//! Links, addresses, routes and forwarding entries as `ip` reads them.

use std::net::IpAddr;
use std::os::fd::AsFd;

use gantry_netlink::{Error, route};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::{in_new_namespace, json, other_namespace, route_socket};

const MAC: [u8; 6] = [0x02, 0x42, 172, 17, 0, 2];

#[test]
fn a_bridge_and_a_veth_pair_are_made_as_ip_shows_them() {
    in_new_namespace(|| {
        let mut socket = route_socket();
        let inside = other_namespace();
        let bridge = route::BridgeSpec {
            name: "br-test",
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1400,
        };
        socket.request(&[route::create_bridge(&bridge)]).unwrap();
        let bridge = route::link(&mut socket, "br-test").unwrap().unwrap();
        assert_eq!(
            (bridge.kind.as_str(), bridge.up, bridge.mtu),
            ("bridge", true, 1400)
        );

        let peer = route::VethPeer {
            name: "eth0",
            mac: MAC,
            namespace: inside.as_fd(),
        };
        let veth = route::VethSpec {
            name: "vtest",
            master: bridge.index,
            mtu: 1400,
            peer,
        };
        let address = route::Address {
            link: bridge.index,
            ip: IpAddr::from([172, 17, 0, 1]),
            prefix: 16,
        };
        socket
            .request(&[route::create_veth(&veth), route::add_address(address)])
            .unwrap();
        let port = route::link(&mut socket, "vtest").unwrap().unwrap();
        let settings = route::PortSettings {
            hairpin: true,
            isolated: true,
        };
        let fixed = route::replace_forwarding_entry(port.index, MAC);
        socket
            .request(&[fixed, route::configure_port(port.index, settings)])
            .unwrap();

        shown_outside();
        assert_eq!(route::addresses(&mut socket).unwrap(), [address]);

        configure_inside(&inside);
        while !route::link(&mut socket, "vtest")
            .unwrap()
            .unwrap()
            .operational
        {}
        let state = || json("bridge", &["-j", "link", "show", "dev", "vtest"])[0]["state"].clone();
        assert_eq!(state(), "forwarding");
        socket.request(&[route::block_port(port.index)]).unwrap();
        assert_eq!(state(), "disabled");
        move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let shown = &json("ip", &["-j", "address", "show", "eth0"])[0];
        assert_eq!(
            (&shown["address"], &shown["operstate"]),
            (&"02:42:ac:11:00:02".into(), &"UP".into())
        );
        let routes = json("ip", &["-j", "route"]);
        assert_eq!(
            (&routes[0]["dst"], &routes[0]["gateway"]),
            (&"default".into(), &"172.17.0.1".into())
        );
    });
}

fn shown_outside() {
    let shown = &json("ip", &["-j", "-d", "link", "show", "vtest"])[0];
    assert_eq!(shown["master"], "br-test");
    assert_eq!(shown["linkinfo"]["info_slave_data"]["isolated"], true);
    assert_eq!(shown["linkinfo"]["info_slave_data"]["hairpin"], true);
    assert_eq!(shown["mtu"], 1400);
    let shown = &json("ip", &["-j", "address", "show", "br-test"])[0]["addr_info"][0];
    assert_eq!(
        (&shown["local"], &shown["broadcast"]),
        (&"172.17.0.1".into(), &"172.17.255.255".into())
    );
    let entries = json("bridge", &["-j", "fdb", "show", "br", "br-test"]);
    let fixed = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["mac"] == "02:42:ac:11:00:02")
        .unwrap();
    assert_eq!(
        (&fixed["ifname"], &fixed["state"]),
        (&"vtest".into(), &"static".into())
    );
}

fn configure_inside(namespace: &std::os::fd::OwnedFd) {
    std::thread::scope(|scope| {
        let configure = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let mut socket = route_socket();
            let link = route::link(&mut socket, "eth0").unwrap().unwrap().index;
            let address = route::Address {
                link,
                ip: IpAddr::from([172, 17, 0, 2]),
                prefix: 16,
            };
            let gateway = IpAddr::from([172, 17, 0, 1]);
            let messages = [
                route::loopback_up(),
                route::add_address(address),
                route::set_up(link),
                route::replace_default_route(gateway, link),
            ];
            socket.request(&messages).unwrap();
            let routes = route::routes(&mut socket).unwrap();
            assert!(
                routes
                    .iter()
                    .any(|r| r.prefix == 0 && r.gateway == Some(gateway))
            );
            assert!(
                routes
                    .iter()
                    .any(|r| r.prefix == 16 && r.link == Some(link))
            );
        };
        scope.spawn(configure).join().unwrap();
    });
}

#[test]
fn a_refused_message_is_named_and_the_others_are_carried_out() {
    in_new_namespace(|| {
        let mut socket = route_socket();
        let error = socket
            .request(&[
                route::set_up(99),
                route::loopback_up(),
                route::delete_link("nosuch"),
            ])
            .unwrap_err();
        assert_eq!(error.errno(), Some(Errno::NODEV));
        assert!(
            matches!(&error, Error::Refused { what, .. } if what == "bring up link 99"),
            "{error:?}"
        );
        assert!(route::link(&mut socket, "lo").unwrap().unwrap().up);
    });
}

#[test]
fn the_kernels_own_words_are_kept() {
    in_new_namespace(|| {
        let mut socket = route_socket();
        let address = route::add_address(route::Address {
            link: 1,
            ip: IpAddr::from([10, 1, 1, 1]),
            prefix: 8,
        });
        let error = socket.request(&[address.clone(), address]).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EXIST));
        let words = std::error::Error::source(&error).unwrap().to_string();
        assert!(words.contains("Address already assigned"), "{words}");
    });
}

#[test]
fn a_group_of_links_is_deleted_at_once_and_no_other() {
    in_new_namespace(|| {
        let mut socket = route_socket();
        for name in ["b1", "b2", "b3"] {
            let spec = route::BridgeSpec {
                name,
                mac: [2, 0, 0, 0, 0, 9],
                mtu: 1500,
            };
            socket.request(&[route::create_bridge(&spec)]).unwrap();
        }
        for name in ["b1", "b3"] {
            socket.request(&[route::set_group(name, 0x7a11)]).unwrap();
        }
        socket.request(&[route::delete_group(0x7a11)]).unwrap();
        let left: Vec<_> = route::links(&mut socket)
            .unwrap()
            .into_iter()
            .map(|l| l.name)
            .collect();
        assert!(left.contains(&"b2".to_owned()));
        assert!(
            !left.contains(&"b1".to_owned()) && !left.contains(&"b3".to_owned()),
            "{left:?}"
        );
    });
}
