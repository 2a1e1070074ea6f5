//! The same script on stock dockerd and on ours: networks, ports, files and routes are told in the same words,
//! and the same containers reach each other.

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind};
use serde_json::Value;

/// Containers, each with an address that tells who it is.
const CONTAINERS: [&str; 4] = ["web", "peer", "inner", "plain"];
const ADDRESSES: [&str; 5] = [
    "10.5.0.10",
    "10.6.0.10",
    "10.6.0.11",
    "10.7.0.10",
    "172.17.0.2",
];

fn prepare(engine: &Engine) {
    let docker = engine.docker();
    let script = [
        "network create --subnet 10.5.0.0/24 --ip-range 10.5.0.128/25 --ipv6 --subnet 2001:db8:5::/64 --label who=me a",
        "network create --subnet 10.6.0.0/24 --ipv6 --subnet 2001:db8:6::/64 b",
        "network create --internal --subnet 10.7.0.0/24 --opt com.docker.network.driver.mtu=1400 c",
        "run -d --name plain --hostname plain IMG sleep 1000",
        "run -d --name web --hostname web --network name=a,ip=10.5.0.10,alias=www,gw-priority=1 -p 8080:80 -p 127.0.0.1:8081:81/udp -p 9000-9002:9000-9002 --add-host other:10.9.9.9 IMG sleep 1000",
        "network connect --ip 10.6.0.10 --alias second b web",
        "run -d --name peer --hostname peer --network b --ip 10.6.0.11 --ip6 2001:db8:6::11 --dns 10.9.9.9 --dns-search example.org --dns-option ndots:3 IMG sleep 1000",
        "run -d --name inner --hostname inner --network c --ip 10.7.0.10 IMG sleep 1000",
    ];
    for line in script {
        let words: Vec<_> = line
            .split(' ')
            .map(|w| if w == "IMG" { BUSYBOX } else { w })
            .collect();
        docker.run(&words).ok();
    }
}

/// A network without what differs from engine to engine: identifiers, the time, Ethernet addresses.
fn network(engine: &Engine, name: &str) -> Value {
    let shown = engine.docker().run(&["network", "inspect", name]).ok();
    let mut list: Value = serde_json::from_str(&shown).expect("inspect prints JSON");
    let network = list[0].as_object_mut().expect("a network");
    for own in ["Id", "Created"] {
        network.remove(own).expect("it has one");
    }
    let containers = network.remove("Containers").expect("its containers");
    let containers = containers.as_object().expect("by identifier");
    let mut members: Vec<Value> = containers.values().cloned().collect();
    for member in &mut members {
        let member = member.as_object_mut().expect("a member");
        member.remove("EndpointID").expect("it has one");
        member.remove("MacAddress").expect("it has one");
    }
    members.sort_by_key(|member| member["Name"].to_string());
    network.insert("Members".to_owned(), members.into());
    // Engines do not share a bridge.
    if let Some(bridge) = network["Options"].get_mut("com.docker.network.bridge.name") {
        *bridge = "its own".into();
    }
    list.take()
}

/// What a command in a container says.
fn inside(engine: &Engine, container: &str, words: &[&str]) -> String {
    engine
        .docker()
        .run(&[&["exec", container], words].concat())
        .ok()
}

fn told(engine: &Engine) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut tell = |what: String, text: String| told.push((what, text));
    for name in ["a", "b", "c", "bridge"] {
        let network = network(engine, name);
        let text = serde_json::to_string_pretty(&network).expect("JSON");
        tell(format!("network inspect {name}"), text);
    }
    for container in CONTAINERS {
        let ports = engine.docker().run(&["port", container]).ok();
        tell(format!("port {container}"), ports);
        for file in ["/etc/hosts", "/etc/resolv.conf"] {
            let mut text = inside(engine, container, &["cat", file]);
            // It begins with who wrote it.
            if let Some((_, rest)) = text.split_once("\n\n") {
                text = rest.to_owned();
            }
            tell(format!("{container}: {file}"), text);
        }
        let routes = inside(engine, container, &["route", "-n"]);
        tell(format!("{container}: routes"), routes);
        // All at once: each that is not reached is waited for.
        let ping = |address| format!("(ping -c 2 -W 3 {address} >/dev/null && echo {address}) &");
        let script: String = ADDRESSES.into_iter().map(ping).collect();
        let reached = inside(engine, container, &["sh", "-c", &(script + " wait")]);
        let mut reached: Vec<_> = reached.lines().collect();
        reached.sort_unstable();
        tell(format!("{container} reaches"), format!("{reached:?}"));
    }
    told
}

#[test]
fn networks_ports_files_routes_and_reach_are_stocks() {
    let engines = [Kind::Stock, Kind::Gantry].map(|kind| Engine::of(kind, &[]));
    let [stock, ours] = std::thread::scope(|scope| {
        let tell = |engine| {
            scope.spawn(move || {
                prepare(engine);
                told(engine)
            })
        };
        let both = engines.each_ref().map(tell);
        both.map(|one| one.join().expect("the script runs"))
    });
    let mut differ = String::new();
    for ((what, theirs), (_, own)) in stock.iter().zip(&ours) {
        if theirs != own {
            differ += &format!("== {what}, stock:\n{theirs}\n-- ours:\n{own}\n");
        }
    }
    assert!(differ.is_empty(), "{differ}");
    for engine in engines {
        engine.finish();
    }
}
