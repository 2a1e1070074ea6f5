//! Restarts, flushes, deletions and orphans.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gantry_network::{HostPort, MemoryStore, NetworkStore, PortRequest, Recovery};

use crate::lab::{Engine, HOST, LAN, command, config_at, in_lab, tcp, udp};
use crate::talk::{Server, ask, ask_udp};

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
        let engine = Engine::start(config, store);
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

/// Set in the child of the next test: the folder of its laboratory.
const VICTIM: &str = "GANTRY_NETWORK_TEST_VICTIM";

/// Kills a process that connects and releases containers, again and again, at random instants; each
/// time the next start finds everything, and once all are released nothing is left.
#[test]
fn a_daemon_killed_at_any_instant_loses_and_leaves_nothing() {
    if let Ok(folder) = std::env::var(VICTIM) {
        be_killed(std::path::Path::new(&folder));
    }
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed.into());
    in_lab(|lab| {
        let name = "recovery::a_daemon_killed_at_any_instant_loses_and_leaves_nothing";
        for _ in 0..15 {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args([name, "--exact", "--nocapture"])
                .env(VICTIM, lab.folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut started = BufReader::new(victim.stdout.take().unwrap()).lines();
            started
                .find(|line| line.as_ref().is_ok_and(|l| l.ends_with("started")))
                .unwrap()
                .unwrap();
            std::thread::sleep(Duration::from_micros(random.u64(0..30_000)));
            victim.kill().unwrap();
            victim.wait().unwrap();
        }
        let engine = lab.engine();
        engine.networks.recover(&BTreeSet::new()).unwrap();
        engine.assert_clean();
        let next = engine.container("next", vec![tcp(8080, 80)]);
        assert_eq!(next.ip(), std::net::Ipv4Addr::new(172, 17, 0, 2));
    });
}

/// A daemon: recovers with half of what it finds alive, then connects and releases for ever.
fn be_killed(folder: &std::path::Path) -> ! {
    let config = config_at(folder, "engine");
    let store: Arc<dyn NetworkStore> = Arc::new(MemoryStore::default());
    let engine = Engine::start(config, store);
    let found = engine.networks.inspect("bridge").unwrap().endpoints;
    let live = found
        .iter()
        .map(|e| e.container.clone())
        .step_by(2)
        .collect();
    engine.networks.recover(&live).unwrap();
    let again = engine.networks.recover(&live).unwrap();
    assert_eq!(again.repaired, Vec::<String>::new());
    println!("started");
    let mut held = Vec::new();
    loop {
        let any = PortRequest {
            host_port: HostPort::Any,
            ..tcp(1, 80)
        };
        held.push(engine.connect("c", vec![any]).unwrap().container);
        if held.len() > 2 {
            engine.networks.release(&held.swap_remove(0)).unwrap();
        }
    }
}
