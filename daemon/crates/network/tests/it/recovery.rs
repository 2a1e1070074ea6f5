//! Restarts, flushes, deletions and orphans.

use std::collections::BTreeSet;

use gantry_network::Recovery;

use crate::lab::{HOST, LAN, Server, ask, ask_udp, command, in_lab, tcp, udp};

#[test]
fn published_ports_answer_while_the_daemon_is_away_and_nothing_is_given_twice() {
    in_lab(|lab| {
        let engine = lab.engine();
        let web = engine.container("web", vec![tcp(8080, 80)]);
        let _server = Server::tcp(&web.namespace, 80);
        let (config, store) = (engine.config.clone(), engine.store.clone());
        drop(engine);
        lab.lan
            .run(|| ask(HOST, 8080))
            .expect("the kernel forwards, not the daemon");
        let engine = crate::lab::Engine::start(config, store);
        lab.lan
            .run(|| ask(HOST, 8080))
            .expect("and after it came back");
        assert_eq!(
            engine.networks.recover(&web.live()).unwrap(),
            Recovery::default()
        );
        assert_eq!(
            engine.networks.endpoints(web.id()),
            std::slice::from_ref(&web.endpoint)
        );
        assert_ne!(engine.container("next", vec![]).ip(), web.ip());
        engine
            .connect("thief", vec![tcp(8080, 80)])
            .expect_err("still held");
    });
}

#[test]
fn what_was_flushed_or_deleted_is_put_back() {
    in_lab(|lab| {
        let engine = lab.engine();
        let web = engine.container("web", vec![tcp(8080, 80)]);
        let _servers = (Server::tcp(&web.namespace, 80), Server::tcp(&lab.lan, 7000));
        let check = |what: &str| {
            let recovery = engine.networks.recover(&web.live()).unwrap();
            assert!(
                !recovery.repaired.is_empty() && recovery.swept.is_empty(),
                "{what}: {recovery:?}"
            );
            lab.lan
                .run(|| ask(HOST, 8080))
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            web.namespace
                .run(|| ask(LAN, 7000))
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            ask(std::net::Ipv4Addr::LOCALHOST, 8080).unwrap_or_else(|e| panic!("{what}: {e}"));
        };
        let id = engine.config.engine;
        command("nft flush ruleset");
        check("ruleset");
        command(&format!("ip link del gantry{id}"));
        check("bridge");
        let veth = format!("v{id}{}", &web.endpoint.id.as_str()[..6]);
        command(&format!("ip link set {veth} nomaster"));
        check("port");
        command(&format!("ip link del {veth}"));
        check("veth");
    });
}

#[test]
fn a_flush_does_not_keep_containers_from_coming_and_going() {
    in_lab(|lab| {
        let engine = lab.engine();
        let one = engine.container("one", vec![tcp(8080, 80)]);
        command("nft flush ruleset");
        engine.networks.release(one.id()).unwrap();
        drop(one);
        command("nft flush ruleset");
        command(&format!("ip link del gantry{}", engine.config.engine));
        let two = engine.container("two", vec![tcp(8080, 80)]);
        let _server = Server::tcp(&two.namespace, 80);
        lab.lan.run(|| ask(HOST, 8080)).unwrap();
    });
}

#[test]
fn the_dead_are_released_and_orphans_swept_but_not_other_engines() {
    in_lab(|lab| {
        let engine = lab.engine();
        let dead = engine.container("dead", vec![tcp(8080, 80)]);
        let alive = engine.container("alive", vec![tcp(8081, 80)]);
        let id = engine.config.engine;
        command(&format!("ip link add v{id}00dead type veth peer name x1"));
        command("ip link add v0000000000dead type veth peer name x2");
        let stray = engine.config.netns_dir.join("f".repeat(64));
        std::fs::write(&stray, "").unwrap();
        let engine = engine.restarted();
        let recovery = engine.networks.recover(&alive.live()).unwrap();
        assert_eq!(recovery.swept.len(), 3, "{recovery:?}");
        engine.networks.drain();
        assert!(!stray.exists());
        assert_eq!(engine.veths(), 1);
        assert!(command("ip -o link").contains("v0000000000dead"));
        assert!(!engine.table().contains("8080") && engine.table().contains("8081"));
        assert_eq!(engine.networks.endpoints(dead.id()), []);
        assert_eq!(
            engine
                .networks
                .recover(&BTreeSet::new())
                .unwrap()
                .swept
                .len(),
            1
        );
        drop((dead, alive));
        engine.assert_clean();
    });
}

#[test]
fn a_new_owner_of_an_address_does_not_inherit_connections() {
    in_lab(|lab| {
        let engine = lab.engine();
        let one = engine.container("one", vec![udp(&tcp(5300, 53))]);
        let server = Server::udp(&one.namespace, 53);
        lab.lan.run(|| ask_udp(HOST, 5300)).unwrap();
        one.namespace.run(|| ask_udp(LAN, 9).err());
        let tracked = || {
            command("conntrack -L -p udp")
                .lines()
                .filter(|l| l.contains("172.17.0.2"))
                .count()
        };
        assert_eq!(tracked(), 2);
        engine.networks.release(one.id()).unwrap();
        assert_eq!(tracked(), 0);
        drop(server);
    });
}
