//! What the daemon's flags and the host's own networks make of the default bridge.

use std::net::Ipv4Addr;
use std::sync::Arc;

use gantry_network::{BridgeChoice, MemoryStore, NetworkConfig, NetworkError, Networks, RedbStore};

use crate::lab::{Engine, command, in_lab, tcp};
use crate::talk::{Server, ask};

#[test]
fn the_subnet_dodges_what_the_host_routes_and_is_kept() {
    in_lab(|lab| {
        command("ip route add 172.16.0.0/14 dev lan0");
        let engine = lab.engine();
        let subnet = |engine: &Engine| {
            engine.networks.inspect("bridge").unwrap().ipam[0]
                .subnet
                .to_string()
        };
        assert_eq!(subnet(&engine), "172.20.0.0/16");
        let bridge = format!("gantry{}", engine.config.engine);
        command("ip route del 172.16.0.0/14 dev lan0");
        let engine = engine.restarted();
        assert_eq!(subnet(&engine), "172.20.0.0/16");
        command(&format!("ip link del {bridge}"));
        command("ip route add 172.20.0.0/16 dev lan0");
        let engine = engine.restarted();
        assert_eq!(
            subnet(&engine),
            "172.17.0.0/16",
            "a VPN came up where the bridge was"
        );
    });
}

#[test]
fn a_bridge_of_the_administrator_is_used_as_it_is() {
    in_lab(|lab| {
        command("ip link add br-admin type bridge");
        command("ip link set br-admin up");
        let mut config = lab.config("engine");
        config.bridge = BridgeChoice::Existing("br-admin".to_owned());
        let refused = Networks::open(config.clone(), Arc::new(MemoryStore::default())).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "default bridge: br-admin has no IPv4 address"
        );
        command("ip address add 10.7.0.1/24 dev br-admin");
        config.default_gateway = Some(Ipv4Addr::new(10, 7, 0, 2));
        config.fixed_cidr = Some("10.7.0.64/28".parse().unwrap());
        let engine = Engine::start(config, Arc::new(MemoryStore::default()));
        let container = engine.container("c", vec![tcp(8080, 80)]);
        let _server = Server::tcp(&container.namespace, 80);
        assert_eq!(container.ip(), Ipv4Addr::new(10, 7, 0, 64));
        assert_eq!(container.endpoint.gateway, Some(Ipv4Addr::new(10, 7, 0, 2)));
        let shown = engine.networks.inspect("bridge").unwrap();
        assert_eq!(shown.options["com.docker.network.bridge.name"], "br-admin");
        assert_eq!(shown.ipam[0].ip_range.unwrap().to_string(), "10.7.0.64/28");
        assert_eq!(
            ask(Ipv4Addr::LOCALHOST, 8080).unwrap(),
            Ipv4Addr::new(10, 7, 0, 1)
        );
        engine.networks.release(container.id()).unwrap();
        engine.networks.drain();
        assert!(command("ip -o link show br-admin").contains("br-admin"));
    });
}

#[test]
fn bip_is_obeyed_or_refused() {
    in_lab(|lab| {
        let with = |bip: &str| NetworkConfig {
            bip: Some(bip.parse().unwrap()),
            ..lab.config("engine")
        };
        let store = Arc::new(MemoryStore::default());
        let refused = Networks::open(with("10.99.0.200/25"), store.clone()).unwrap_err();
        assert!(
            matches!(refused, NetworkError::SubnetTaken { .. }),
            "{refused}"
        );
        let engine = Engine::start(with("10.8.0.7/24"), store.clone());
        let container = engine.container("c", vec![]);
        assert_eq!(container.ip(), Ipv4Addr::new(10, 8, 0, 1));
        assert_eq!(container.endpoint.gateway, Some(Ipv4Addr::new(10, 8, 0, 7)));
        engine.networks.release(container.id()).unwrap();
        drop(engine);
        let engine = Engine::start(with("10.9.0.1/24"), store);
        assert_eq!(
            engine.networks.inspect("bridge").unwrap().ipam[0]
                .subnet
                .to_string(),
            "10.9.0.0/24"
        );
        let addresses = command("ip -o address");
        assert!(
            addresses.contains("10.9.0.1/24") && !addresses.contains("10.8.0.7"),
            "{addresses}"
        );
    });
}

#[test]
fn without_bridge_or_firewall_nothing_is_made() {
    in_lab(|lab| {
        // A new namespace has the host's own setting.
        let forwarding = || command("cat /proc/sys/net/ipv4/ip_forward");
        let before = forwarding();
        let config = NetworkConfig {
            bridge: BridgeChoice::Disabled,
            firewall: false,
            ip_forward: false,
            ..lab.config("engine")
        };
        let engine = Engine::start(config, Arc::new(MemoryStore::default()));
        assert!(engine.networks.inspect("bridge").is_err());
        assert_eq!(command("nft list ruleset"), "");
        assert!(!command("ip -o link").contains("gantry"));
        assert_eq!(forwarding(), before);
        assert_eq!(engine.networks.host_gateway(), None);
    });
}

#[test]
fn definitions_survive_in_the_daemons_database() {
    in_lab(|lab| {
        let path = lab.folder.path().join("gantry.redb");
        let open = || {
            let store = RedbStore::new(Arc::new(redb::Database::create(&path).unwrap()));
            Engine::start(lab.config("engine"), Arc::new(store))
        };
        let ids = |engine: &Engine| {
            engine
                .networks
                .list()
                .into_iter()
                .map(|n| n.id)
                .collect::<Vec<_>>()
        };
        let engine = open();
        let before = ids(&engine);
        drop(engine);
        assert_eq!(ids(&open()), before);
    });
}
