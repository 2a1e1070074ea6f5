//! Networks of one's own: made, joined, left, isolated, and their names.

use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};

/// A container that stays.
fn stay(engine: &Engine, name: &str, flags: &[&str]) {
    let run = ["run", "-d", "--name", name];
    let sleep = [BUSYBOX, "sleep", "1000"];
    engine.docker().run(&[&run, flags, &sleep].concat()).ok();
}

/// Whether a container gets echoes from an address.
fn reaches(engine: &Engine, from: &str, to: &str) -> bool {
    let ping = ["exec", from, "ping", "-c", "1", "-W", "1", to];
    engine.docker().run(&ping).code == 0
}

/// The lines of a lookup that tell addresses, without those of the server.
fn addresses_of(engine: &Engine, from: &str, name: &str) -> Vec<String> {
    let lookup = engine
        .docker()
        .run(&["exec", from, "nslookup", "-type=a", name]);
    let answer = lookup
        .out
        .split_once("\n\n")
        .map_or("", |(_, rest)| rest)
        .to_owned();
    let found = answer
        .lines()
        .filter_map(|line| line.strip_prefix("Address: "));
    let mut found: Vec<_> = found.map(str::to_owned).collect();
    found.sort();
    found
}

fn address_in(engine: &Engine, container: &str, network: &str) -> String {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    engine
        .docker()
        .run(&["inspect", "-f", &format, container])
        .ok()
}

#[test]
fn a_network_is_made_shown_and_removed() {
    let engine = Engine::start();
    let docker = engine.docker();
    let create = [
        "network",
        "create",
        "--subnet",
        "10.5.0.0/16",
        "--gateway",
        "10.5.0.254",
        "--ip-range",
        "10.5.1.0/24",
        "--aux-address",
        "x=10.5.1.1",
        "--attachable",
        "--label",
        "a=b",
        "-o",
        "com.docker.network.driver.mtu=1400",
        "net",
    ];
    docker.run(&create).ok();
    let ipam = docker
        .run(&["network", "inspect", "-f", "{{json .IPAM}}", "net"])
        .ok();
    assert_eq!(
        ipam,
        r#"{"Driver":"default","Options":{},"Config":[{"Subnet":"10.5.0.0/16","IPRange":"10.5.1.0/24","Gateway":"10.5.0.254","AuxiliaryAddresses":{"x":"10.5.1.1"}}]}"#
    );
    stay(&engine, "cc", &["--network", "net"]);
    let mtu = docker
        .run(&["exec", "cc", "cat", "/sys/class/net/eth0/mtu"])
        .ok();
    let routes = docker.run(&["exec", "cc", "ip", "route"]).ok();
    assert_eq!(mtu, "1400");
    assert!(
        routes.contains("default via 10.5.0.254 dev eth0"),
        "{routes}"
    );
    let used = docker.run(&["network", "rm", "net"]);
    assert!(
        used.err.contains(
            "error while removing network: network net has active endpoints (name:\"cc\" id:\""
        ),
        "{used:?}"
    );
    docker.run(&["rm", "-f", "cc"]).ok();
    docker.run(&["network", "create", "unused"]).ok();
    let pruned = docker
        .run(&["network", "prune", "-f", "--filter", "label!=a"])
        .ok();
    assert_eq!(pruned, "Deleted Networks:\nunused");
    docker.run(&["network", "rm", "net"]).ok();
    let names = docker.run(&["network", "ls", "--format", "{{.Name}}"]).ok();
    assert_eq!(names, "bridge\nhost\nnone");
    engine.finish();
}

#[test]
fn what_cannot_be_made_is_refused_in_dockers_words() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker
        .run(&["network", "create", "--subnet", "10.5.0.0/16", "net"])
        .ok();
    for (words, text) in [
        (&["net"][..], "network with name net already exists"),
        (
            &["--subnet", "10.5.3.0/24", "other"],
            "Pool overlaps with other one on this address space",
        ),
        (&["-d", "bogus", "other"], "plugin \"bogus\" not found"),
        (
            &["bridge"],
            "operation is not permitted on predefined bridge network",
        ),
    ] {
        let refused = docker.run(&[&["network", "create"], words].concat());
        assert!(
            refused.code == 1 && refused.err.contains(text),
            "{refused:?}"
        );
    }
    docker.run(&["network", "rm", "net"]).ok();
    engine.finish();
}

#[test]
fn networks_do_not_meet_and_an_internal_one_meets_nobody() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker.run(&["network", "create", "one"]).ok();
    docker.run(&["network", "create", "two"]).ok();
    docker
        .run(&["network", "create", "--internal", "inside"])
        .ok();
    stay(&engine, "aa", &["--network", "one"]);
    stay(&engine, "bb", &["--network", "one"]);
    stay(&engine, "cc", &["--network", "two"]);
    stay(&engine, "ii", &["--network", "inside"]);
    stay(&engine, "jj", &["--network", "inside"]);
    let address = |container, network| address_in(&engine, container, network);
    assert!(reaches(&engine, "aa", &address("bb", "one")));
    assert!(!reaches(&engine, "aa", &address("cc", "two")));
    assert!(reaches(&engine, "ii", &address("jj", "inside")));
    assert!(!reaches(&engine, "ii", &address("aa", "one")));
    assert!(!reaches(&engine, "aa", &address("ii", "inside")));
    let routes = docker.run(&["exec", "ii", "ip", "route"]).ok();
    assert!(!routes.contains("default"), "{routes}");
    for network in ["one", "two", "inside"] {
        docker.run(&["rm", "-f", "aa", "bb", "cc", "ii", "jj"]);
        docker.run(&["network", "rm", network]).ok();
    }
    engine.finish();
}

#[test]
fn containers_find_each_other_by_all_their_names() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker.run(&["network", "create", "net"]).ok();
    docker.run(&["network", "create", "other"]).ok();
    stay(
        &engine,
        "web",
        &[
            "--network",
            "net",
            "--network-alias",
            "svc",
            "--hostname",
            "h1",
        ],
    );
    stay(
        &engine,
        "db",
        &[
            "--network",
            "net",
            "--network-alias",
            "svc",
            "--link",
            "web:linked",
        ],
    );
    stay(&engine, "far", &["--network", "other"]);
    let (web, db) = (
        address_in(&engine, "web", "net"),
        address_in(&engine, "db", "net"),
    );
    let id = docker.run(&["inspect", "-f", "{{.Id}}", "web"]).ok();
    for name in ["web", "WEB", "web.net", &id[..12], "h1", "linked"] {
        assert_eq!(addresses_of(&engine, "db", name), [web.as_str()], "{name}");
    }
    let mut both = [web.clone(), db];
    both.sort();
    assert_eq!(addresses_of(&engine, "web", "svc"), both);
    assert!(addresses_of(&engine, "far", "web").is_empty());
    assert!(addresses_of(&engine, "web", "far").is_empty());
    assert!(addresses_of(&engine, "web", "linked").is_empty());
    let reverse = docker.run(&["exec", "db", "nslookup", &web]);
    assert!(reverse.out.contains("name = web.net"), "{reverse:?}");
    let hosts = docker.run(&["exec", "web", "cat", "/etc/hosts"]).ok();
    assert!(hosts.ends_with(&format!("{web}\th1")), "{hosts}");
    let resolver = docker.run(&["exec", "web", "cat", "/etc/resolv.conf"]).ok();
    assert!(resolver.contains("\nnameserver 127.0.0.11\n"), "{resolver}");
    docker.run(&["rename", "web", "renamed"]).ok();
    assert_eq!(addresses_of(&engine, "db", "renamed"), [web]);
    docker.run(&["rm", "-f", "renamed"]).ok();
    assert!(addresses_of(&engine, "db", "renamed").is_empty());
    engine.docker().run(&["rm", "-f", "db", "far"]).ok();
    docker.run(&["network", "rm", "net", "other"]).ok();
    engine.finish();
}

#[test]
fn a_container_keeps_its_own_port_53() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker.run(&["network", "create", "net"]).ok();
    stay(&engine, "web", &["--network", "net"]);
    let serve = "while :; do echo own | nc -l -p 53; done";
    docker
        .run(&[
            "run",
            "-d",
            "--name",
            "dns",
            "--network",
            "net",
            BUSYBOX,
            "sh",
            "-c",
            serve,
        ])
        .ok();
    let address = address_in(&engine, "web", "net");
    assert_eq!(addresses_of(&engine, "dns", "web"), [address]);
    let asked = || docker.run(&["exec", "dns", "nc", "-w", "2", "127.0.0.1", "53"]);
    eventually("its own server answers", Duration::from_secs(10), || {
        (asked().out == "own\n").then_some(())
    });
    assert_eq!(addresses_of(&engine, "dns", "web").len(), 1);
    docker.run(&["rm", "-f", "dns", "web"]).ok();
    docker.run(&["network", "rm", "net"]).ok();
    engine.finish();
}

#[test]
fn networks_are_joined_and_left_while_a_container_runs() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker.run(&["network", "create", "m1"]).ok();
    docker
        .run(&["network", "create", "--subnet", "10.20.0.0/24", "m2"])
        .ok();
    stay(&engine, "c1", &["--network", "m1"]);
    stay(
        &engine,
        "c2",
        &[
            "--network",
            "name=m2,ip=10.20.0.9,alias=zz,mac-address=02:42:aa:bb:cc:dd,gw-priority=5",
            "--network",
            "m1",
        ],
    );
    let exec =
        |container: &str, words: &[&str]| docker.run(&[&["exec", container], words].concat()).ok();
    let routes = exec("c2", &["ip", "route"]);
    assert!(routes.contains("default via 10.20.0.1 "), "{routes}");
    assert!(exec("c2", &["ip", "addr"]).contains("02:42:aa:bb:cc:dd"));
    let taken = docker.run(&["network", "connect", "--ip", "10.20.0.9", "m2", "c1"]);
    assert!(taken.err.contains("Address already in use"), "{taken:?}");
    docker
        .run(&[
            "network",
            "connect",
            "--ip",
            "10.20.0.10",
            "--alias",
            "q",
            "m2",
            "c1",
        ])
        .ok();
    assert_eq!(address_in(&engine, "c1", "m2"), "10.20.0.10");
    assert_eq!(addresses_of(&engine, "c2", "q"), ["10.20.0.10"]);
    assert!(exec("c1", &["cat", "/etc/hosts"]).contains("10.20.0.10\t"));
    docker.run(&["network", "disconnect", "m1", "c1"]).ok();
    let routes = exec("c1", &["ip", "route"]);
    assert!(routes.contains("default via 10.20.0.1"), "{routes}");
    assert!(!routes.contains("eth0"), "{routes}");
    let hosts = exec("c1", &["cat", "/etc/hosts"]);
    assert!(
        hosts.ends_with(&format!("10.20.0.10\t{}", exec("c1", &["hostname"]))),
        "{hosts}"
    );
    docker.run(&["restart", "-t", "0", "c1"]).ok();
    assert_eq!(address_in(&engine, "c1", "m2"), "10.20.0.10");
    let again = docker.run(&["network", "connect", "m2", "c1"]);
    assert!(
        again
            .err
            .contains("endpoint with name c1 already exists in network m2"),
        "{again:?}"
    );
    let host = docker.run(&["network", "connect", "host", "c1"]);
    assert!(
        host.err
            .contains("cannot connect container to host network"),
        "{host:?}"
    );
    docker.run(&["rm", "-f", "c1", "c2"]).ok();
    docker.run(&["network", "rm", "m1", "m2"]).ok();
    engine.finish();
}

#[test]
fn a_container_of_the_default_bridge_learns_names_with_its_first_network() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker.run(&["network", "create", "net"]).ok();
    stay(&engine, "web", &["--network", "net"]);
    stay(&engine, "late", &[]);
    docker.run(&["network", "connect", "net", "late"]).ok();
    let address = address_in(&engine, "web", "net");
    assert_eq!(addresses_of(&engine, "late", "web"), [address]);
    docker.run(&["rm", "-f", "web", "late"]).ok();
    docker.run(&["network", "rm", "net"]).ok();
    engine.finish();
}

#[test]
fn names_answer_while_nobody_is_in_charge() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // dockerd answers itself: names are gone with it.
        return engine.finish();
    }
    let docker = engine.docker();
    docker.run(&["network", "create", "net"]).ok();
    stay(&engine, "web", &["--network", "net"]);
    let address = address_in(&engine, "web", "net");
    // Asked from inside, where no daemon is needed.
    let ask = format!(
        "while :; do nslookup -type=a web | grep -q 'Address: {address}' && echo found; sleep 0.1; done > /tmp/log"
    );
    docker
        .run(&[
            "run",
            "-d",
            "--name",
            "asker",
            "--network",
            "net",
            BUSYBOX,
            "sh",
            "-c",
            &ask,
        ])
        .ok();
    let pid = docker
        .run(&["inspect", "-f", "{{.State.Pid}}", "asker"])
        .ok();
    let log = format!("/proc/{pid}/root/tmp/log");
    let answers = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let grows_to = |wanted: usize| {
        eventually("more answers", Duration::from_secs(20), || {
            (answers() >= wanted).then_some(())
        });
    };
    grows_to(1);
    engine.kill_daemon();
    engine.kill_supervisor();
    grows_to(answers() + 5);
    engine.start_daemon();
    grows_to(answers() + 2);
    let networks = docker
        .run(&["network", "inspect", "-f", "{{len .Containers}}", "net"])
        .ok();
    assert_eq!(networks, "2");
    stay(&engine, "new", &["--network", "net"]);
    let new = address_in(&engine, "new", "net");
    assert_eq!(addresses_of(&engine, "web", "new"), [new]);
    docker.run(&["rm", "-f", "web", "asker", "new"]).ok();
    docker.run(&["network", "rm", "net"]).ok();
    engine.finish();
}
