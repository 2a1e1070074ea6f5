//! Networks of one's own: kept, made again, apart from each other; and many random rounds of all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use gantry_ids::ContainerId;
use gantry_network::{EndpointRequest, NetworkRequest, SubnetRequest};

use crate::lab::{Engine, Namespace, command, in_lab, tcp};
use crate::talk::{Server, ask, ask_briefly};

fn named(name: &str) -> NetworkRequest {
    NetworkRequest {
        name: name.to_owned(),
        ipv4: true,
        ..NetworkRequest::default()
    }
}

fn with_subnet(name: &str, subnet: &str) -> NetworkRequest {
    NetworkRequest {
        subnets: vec![SubnetRequest {
            subnet: subnet.to_owned(),
            ..SubnetRequest::default()
        }],
        ..named(name)
    }
}

/// Joins a network, with a sandbox if there is none yet.
fn join(engine: &Engine, id: &ContainerId, network: &str) -> Ipv4Addr {
    if engine.networks.sandbox(id).is_none() {
        engine.networks.create_sandbox(id).unwrap();
    }
    let request = EndpointRequest::new(id.clone(), &id.as_str()[..6], network);
    engine.networks.connect(&request).unwrap().ip.unwrap()
}

fn inside(engine: &Engine, id: &ContainerId) -> Namespace {
    Namespace::at(&engine.networks.sandbox(id).unwrap().path)
}

#[test]
fn a_network_is_kept_and_made_again() {
    in_lab(|lab| {
        let engine = lab.engine();
        let made = engine
            .networks
            .create(&with_subnet("net", "10.5.0.0/24"))
            .unwrap();
        let id = ContainerId::generate();
        assert_eq!(join(&engine, &id, "net"), Ipv4Addr::new(10, 5, 0, 2));
        let links = command("ip -o link show type bridge");
        assert!(links.contains(&format!(
            "b{}{}",
            engine.config.engine,
            &made.id.as_str()[..6]
        )));
        let engine = engine.restarted();
        let device = format!("b{}{}", engine.config.engine, &made.id.as_str()[..6]);
        assert_eq!(engine.networks.inspect("net").unwrap().id, made.id);
        command(&format!("ip link delete {device}"));
        let live = BTreeSet::from([id.clone()]);
        let repaired = engine.networks.recover(&live).unwrap().repaired;
        assert!(!repaired.is_empty());
        let server = Server::tcp(&inside(&engine, &id), 80);
        ask(Ipv4Addr::new(10, 5, 0, 2), 80).expect("reached again from the host");
        drop(server);
        engine.networks.release(&id).unwrap();
        engine.networks.remove("net").unwrap();
        engine.assert_clean();
        assert!(!command("ip -o link").contains(&device));
        assert!(engine.networks.inspect("net").is_err());
    });
}

#[test]
fn networks_are_apart_and_an_internal_one_has_no_way_out() {
    in_lab(|lab| {
        let engine = lab.engine();
        engine.networks.create(&named("one")).unwrap();
        engine.networks.create(&named("two")).unwrap();
        let internal = NetworkRequest {
            internal: true,
            ..named("inside")
        };
        engine.networks.create(&internal).unwrap();
        let ids: Vec<_> = (0..4).map(|_| ContainerId::generate()).collect();
        let one = join(&engine, &ids[0], "one");
        let sibling = join(&engine, &ids[1], "one");
        let two = join(&engine, &ids[2], "two");
        let hidden = join(&engine, &ids[3], "inside");
        let at = |n: usize| inside(&engine, &ids[n]);
        let servers: Vec<_> = (0..4).map(|n| Server::tcp(&at(n), 80)).collect();
        let reaches = |n: usize, address| at(n).run(|| ask(address, 80).is_ok());
        let apart = |n: usize, address| at(n).run(|| ask_briefly(address, 80).is_err());
        assert!(reaches(0, sibling) && reaches(1, one));
        assert!(apart(0, two) && apart(2, one));
        assert!(apart(0, hidden) && apart(3, one));
        let lan = Server::tcp(&lab.lan, 81);
        assert!(at(0).run(|| ask(crate::lab::LAN, 81).is_ok()));
        assert!(at(3).run(|| ask_briefly(crate::lab::LAN, 81).is_err()));
        // Not even by a route that the container makes itself.
        at(3).run(|| command("ip route add default via 172.20.0.1"));
        assert!(at(3).run(|| ask_briefly(crate::lab::LAN, 81).is_err()));
        assert!(apart(3, one));
        drop((servers, lan));
        for id in &ids {
            engine.networks.release(id).unwrap();
        }
        for network in ["one", "two", "inside"] {
            engine.networks.remove(network).unwrap();
        }
        engine.assert_clean();
    });
}

#[test]
fn ports_and_the_default_route_follow_who_leads_out() {
    in_lab(|lab| {
        let engine = lab.engine();
        engine
            .networks
            .create(&with_subnet("a", "10.5.0.0/24"))
            .unwrap();
        engine
            .networks
            .create(&with_subnet("b", "10.6.0.0/24"))
            .unwrap();
        let id = ContainerId::generate();
        engine.networks.create_sandbox(&id).unwrap();
        let request = EndpointRequest {
            ports: vec![tcp(8080, 80)],
            ..EndpointRequest::new(id.clone(), "cc", "b")
        };
        engine.networks.connect(&request).unwrap();
        let namespace = inside(&engine, &id);
        let server = Server::tcp(&namespace, 80);
        let route = || namespace.run(|| command("ip route show default"));
        let leads = |network: &str| {
            let endpoints = engine.networks.endpoints(&id);
            let holder = endpoints.iter().find(|e| !e.ports.is_empty()).unwrap();
            assert_eq!(holder.network_name, network);
            lab.lan
                .run(|| ask(crate::lab::HOST, 8080))
                .expect("published");
        };
        leads("b");
        assert!(route().contains("via 10.6.0.1"));
        join(&engine, &id, "a");
        leads("a");
        assert!(route().contains("via 10.5.0.1"));
        engine.networks.disconnect(&id, "a").unwrap();
        leads("b");
        assert!(route().contains("via 10.6.0.1"));
        drop(server);
        engine.networks.release(&id).unwrap();
        engine.networks.remove("a").unwrap();
        engine.networks.remove("b").unwrap();
        engine.assert_clean();
    });
}

#[test]
fn a_bridge_of_a_chosen_name_is_made_and_one_that_is_there_is_left() {
    in_lab(|lab| {
        let engine = lab.engine();
        let on = |name: &str, bridge: &str| NetworkRequest {
            options: BTreeMap::from([(
                "com.docker.network.bridge.name".to_owned(),
                bridge.to_owned(),
            )]),
            ..with_subnet(name, "10.7.0.0/24")
        };
        // At once again: the device of the first is still being deleted.
        for _ in 0..3 {
            engine.networks.create(&on("mine", "br-mine")).unwrap();
            let again = engine.networks.create(&NetworkRequest {
                subnets: Vec::new(),
                ..on("other", "br-mine")
            });
            assert!(
                again
                    .unwrap_err()
                    .to_string()
                    .contains("networks have same bridge name")
            );
            engine.networks.remove("mine").unwrap();
        }
        engine.networks.drain();
        assert!(!command("ip -o link").contains("br-mine"));
        command("ip link add br-theirs type bridge");
        engine.networks.create(&on("theirs", "br-theirs")).unwrap();
        let id = ContainerId::generate();
        let address = join(&engine, &id, "theirs");
        let server = Server::tcp(&inside(&engine, &id), 80);
        assert!(ask(address, 80).is_ok());
        drop(server);
        engine.networks.release(&id).unwrap();
        engine.networks.remove("theirs").unwrap();
        engine.assert_clean();
        assert!(command("ip -o link").contains("br-theirs"));
        assert!(!command("ip -o -4 address").contains("10.7.0.1"));
    });
}

#[test]
fn an_isolated_network_has_no_place_for_the_host() {
    in_lab(|lab| {
        let engine = lab.engine();
        let mode = "com.docker.network.bridge.gateway_mode_ipv4".to_owned();
        let request = NetworkRequest {
            internal: true,
            options: BTreeMap::from([(mode, "isolated".to_owned())]),
            ..with_subnet("alone", "10.88.0.0/24")
        };
        let made = engine.networks.create(&request).unwrap();
        assert_eq!(made.ipam[0].gateway, None);
        let (one, two) = (ContainerId::generate(), ContainerId::generate());
        assert_eq!(join(&engine, &one, "alone"), Ipv4Addr::new(10, 88, 0, 1));
        let address = join(&engine, &two, "alone");
        let server = Server::tcp(&inside(&engine, &two), 80);
        assert!(inside(&engine, &one).run(|| ask(address, 80).is_ok()));
        assert!(ask_briefly(address, 80).is_err(), "the host has no way in");
        drop(server);
        assert!(!command("ip -o -4 address").contains("10.88.0."));
        engine.networks.release(&one).unwrap();
        engine.networks.release(&two).unwrap();
        engine.networks.remove("alone").unwrap();
        engine.assert_clean();
    });
}

#[test]
fn a_macvlan_network_puts_containers_on_the_hosts_lan() {
    in_lab(|lab| {
        let engine = lab.engine();
        let options = [("parent", "lan0"), ("macvlan_mode", "bridge")];
        let request = NetworkRequest {
            driver: "macvlan".to_owned(),
            options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..with_subnet("lan", "10.98.0.0/24")
        };
        engine.networks.create(&request).unwrap();
        let again = NetworkRequest {
            name: "other".to_owned(),
            ..request
        };
        let taken = engine.networks.create(&again).unwrap_err().to_string();
        assert!(
            taken.contains("is already using parent interface lan0"),
            "{taken}"
        );
        let (one, two) = (ContainerId::generate(), ContainerId::generate());
        join(&engine, &one, "lan");
        let address = join(&engine, &two, "lan");
        let server = Server::tcp(&inside(&engine, &two), 80);
        assert!(inside(&engine, &one).run(|| ask(address, 80).is_ok()));
        lab.lan.run(|| {
            command("ip address add 10.98.0.9/24 dev eth0");
            assert!(ask(address, 80).is_ok());
        });
        drop(server);
        engine.networks.disconnect(&two, "lan").unwrap();
        let links = inside(&engine, &two).run(|| command("ip -o link"));
        assert!(
            !links.contains("macvlan") && !links.contains("eth0"),
            "{links}"
        );
        engine.networks.release(&one).unwrap();
        engine.networks.release(&two).unwrap();
        engine.networks.remove("lan").unwrap();
        assert!(command("ip -o link").contains("lan0"), "it is the host's");
        engine.assert_clean();
    });
}

/// What the test believes there is.
#[derive(Default)]
struct World {
    networks: BTreeSet<String>,
    joined: BTreeMap<ContainerId, BTreeSet<String>>,
}

impl World {
    fn step(&mut self, engine: &Engine, chance: &mut fastrand::Rng) {
        let network = format!("net{}", chance.u8(..4));
        let container = chance.choice(self.joined.keys().cloned().collect::<Vec<_>>());
        match chance.u8(..6) {
            0 if self.networks.insert(network.clone()) => {
                engine.networks.create(&named(&network)).unwrap();
            }
            1 if self.networks.contains(&network) => {
                let used = self.joined.values().any(|n| n.contains(&network));
                assert_eq!(engine.networks.remove(&network).is_err(), used);
                if !used {
                    self.networks.remove(&network);
                }
            }
            2 | 3 if self.networks.contains(&network) => {
                let id = container
                    .filter(|_| chance.bool())
                    .unwrap_or_else(ContainerId::generate);
                if self
                    .joined
                    .entry(id.clone())
                    .or_default()
                    .insert(network.clone())
                {
                    join(engine, &id, &network);
                }
            }
            4 => {
                if let Some(id) = container {
                    engine.networks.release(&id).unwrap();
                    self.joined.remove(&id);
                }
            }
            _ => {
                if let Some(id) = container
                    && let Some(left) = self.joined.get_mut(&id).and_then(BTreeSet::pop_first)
                {
                    engine.networks.disconnect(&id, &left).unwrap();
                }
            }
        }
    }

    fn check(&self, engine: &Engine) {
        let mut addresses = BTreeSet::new();
        for (id, networks) in &self.joined {
            let endpoints = engine.networks.endpoints(id);
            assert_eq!(endpoints.len(), networks.len());
            for endpoint in endpoints {
                assert!(addresses.insert(endpoint.ip.unwrap()), "given twice");
            }
        }
        engine.networks.drain();
        assert_eq!(engine.veths(), addresses.len());
    }
}

#[test]
fn random_rounds_leave_nothing_and_give_no_address_twice() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (seed, rounds) = (number("GANTRY_SEED", 7), number("GANTRY_ROUNDS", 300));
    in_lab(|lab| {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (mut engine, mut world) = (lab.engine(), World::default());
        for round in 0..rounds {
            world.step(&engine, &mut chance);
            if round % 50 == 49 {
                engine = engine.restarted();
                let live = world.joined.keys().cloned().collect();
                engine.networks.recover(&live).unwrap();
            }
            if round % 10 == 9 {
                world.check(&engine);
            }
        }
        for id in world.joined.keys() {
            engine.networks.release(id).unwrap();
        }
        for network in &world.networks {
            engine.networks.remove(network).unwrap();
        }
        engine.assert_clean();
        assert_eq!(
            std::fs::read_dir(&engine.config.names_dir).unwrap().count(),
            0
        );
        let bridges = command("ip -o link show type bridge");
        assert!(
            !bridges.contains(&format!("b{}", engine.config.engine)),
            "{bridges}"
        );
    });
}
