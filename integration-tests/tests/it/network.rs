//! Networks a container can have without making one, and published ports.

use std::process::Stdio;
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, eventually};

/// A server in a container: answers each connection with a word.
const SERVE: &str = "while :; do echo served | nc -l -p 80; done";

fn serve(engine: &Engine, name: &str, flags: &[&str]) {
    let run = ["run", "-d", "--name", name];
    engine
        .docker()
        .run(&[&run, flags, &[BUSYBOX, "sh", "-c", SERVE]].concat())
        .ok();
}

/// What a TCP server tells a client on the engine's host; polled, for it may still be starting.
fn asked_from_host(engine: &Engine, address: &str, port: &str) -> String {
    eventually(
        &format!("an answer from {address}:{port}"),
        Duration::from_secs(10),
        || {
            let mut client = engine.on_host("busybox");
            client
                .args(["nc", "-w", "2", address, port])
                .stdin(Stdio::null());
            let answer = client.output().expect("busybox runs");
            let text = String::from_utf8_lossy(&answer.stdout).into_owned();
            (!text.is_empty()).then_some(text)
        },
    )
}

#[test]
fn a_published_port_is_reached_from_the_host_and_from_a_sibling() {
    let engine = Engine::start();
    let docker = engine.docker();
    serve(&engine, "web", &["-p", "8080:80"]);
    assert_eq!(
        docker.run(&["port", "web"]).ok().lines().next(),
        Some("80/tcp -> 0.0.0.0:8080")
    );
    assert_eq!(asked_from_host(&engine, "127.0.0.1", "8080"), "served\n");
    let format = "{{.NetworkSettings.Networks.bridge.IPAddress}} {{.NetworkSettings.Networks.bridge.Gateway}}";
    let addresses = docker.run(&["inspect", "-f", format, "web"]).ok();
    let (own, gateway) = addresses.split_once(' ').expect("two addresses");
    let ask = |address: &str, port: &str| {
        docker
            .run(&["run", "--rm", BUSYBOX, "nc", "-w", "2", address, port])
            .ok()
    };
    assert_eq!(ask(own, "80"), "served");
    assert_eq!(
        ask(gateway, "8080"),
        "served",
        "a sibling through the host's port"
    );
    engine.finish();
}

#[test]
fn a_taken_port_is_refused_and_an_ephemeral_one_is_told() {
    let engine = Engine::start();
    let docker = engine.docker();
    serve(&engine, "first", &["-p", "127.0.0.1:8080:80"]);
    let taken = docker.run(&["run", "-d", "-p", "127.0.0.1:8080:80", BUSYBOX, "true"]);
    assert_eq!(taken.code, 125, "{taken:?}");
    assert!(taken.err.contains("port is already allocated"), "{taken:?}");
    serve(&engine, "second", &["-p", "127.0.0.1::80"]);
    let told = docker.run(&["port", "second", "80/tcp"]).ok();
    let (address, port) = told.rsplit_once(':').expect("address and port");
    assert_eq!(address, "127.0.0.1");
    assert_eq!(asked_from_host(&engine, address, port), "served\n");
    docker.run(&["rm", "-f", "first"]).ok();
    serve(&engine, "third", &["-p", "127.0.0.1:8080:80"]);
    assert_eq!(asked_from_host(&engine, "127.0.0.1", "8080"), "served\n");
    engine.finish();
}

#[test]
fn host_none_and_another_containers_network() {
    let engine = Engine::start();
    let docker = engine.docker();
    let links = |network: &str| {
        let ip = [
            "run",
            "--rm",
            "--network",
            network,
            BUSYBOX,
            "ls",
            "/sys/class/net",
        ];
        docker
            .run(&ip)
            .ok()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(links("none"), ["lo"]);
    docker
        .run(&["run", "-d", "--name", "own", BUSYBOX, "sleep", "1000"])
        .ok();
    assert!(links("container:own").contains(&"eth0".to_owned()));
    let on_host = docker.run(&[
        "run",
        "--rm",
        "--network",
        "host",
        BUSYBOX,
        "readlink",
        "/proc/self/ns/net",
    ]);
    let mut readlink = engine.on_host("readlink");
    let host = readlink
        .arg("/proc/self/ns/net")
        .output()
        .expect("readlink runs");
    assert_eq!(
        on_host.ok(),
        String::from_utf8_lossy(&host.stdout).trim_end()
    );
    let names = docker.run(&["network", "ls", "--format", "{{.Name}}"]).ok();
    assert_eq!(names, "bridge\nhost\nnone");
    engine.finish();
}
