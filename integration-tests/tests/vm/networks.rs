//! Networks and ports that this machine's kernel has no module for: ipvlan, and SCTP. One engine for all of it, as in
//! `privileged`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use gantry_linux::namespace::{Namespaces, join};
use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, accept, bind, connect, ipproto, listen, recv,
    send, socket,
};

#[test]
fn what_an_ordinary_kernel_lacks() {
    let engine = Engine::start();
    let neighbour = Neighbour::of(&engine);
    for (n, mode) in (1..).zip(["l2", "l3", "l3s"]) {
        ipvlan(&engine, &neighbour, mode, n);
    }
    sctp(&engine, &neighbour);
    drop(neighbour);
    engine.finish();
}

/// Another host, with a cable to the engine's for each network.
struct Neighbour(String);

impl Neighbour {
    fn of(engine: &Engine) -> Self {
        let name = format!("{}n", engine.namespace());
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        Self(name)
    }

    /// A cable by which the engine's host has 10.`n`.0.254 and the neighbour 10.`n`.0.253.
    fn cable(&self, engine: &Engine, n: u8) -> String {
        let (host, device) = (engine.namespace(), format!("cable{n}"));
        ip(&format!(
            "-n {host} link add {device} type veth peer name {device} netns {}",
            self.0
        ));
        for (namespace, last) in [(host, 254), (self.0.as_str(), 253)] {
            ip(&format!(
                "-n {namespace} addr add 10.{n}.0.{last}/24 dev {device}"
            ));
            ip(&format!("-n {namespace} link set {device} up"));
        }
        device
    }

    fn pings(&self, address: &str) -> bool {
        let mut ping = Command::new("ip");
        ping.args(["netns", "exec", &self.0, "busybox", "ping", "-c", "5"]);
        // The first answer is enough.
        ping.args(["-W", "20", "-A", address]);
        ping.output().expect("ip runs").status.success()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // The engine's namespace holds the other ends, and goes next.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

#[track_caller]
fn ip(words: &str) {
    let out = Command::new("ip").args(words.split(' ')).output();
    let out = out.expect("ip runs");
    assert!(out.status.success(), "{words}: {out:?}");
}

#[track_caller]
fn docker(docker: &Client, line: &str) -> String {
    let words: Vec<&str> = line
        .split(' ')
        .map(|word| if word == "IMG" { BUSYBOX } else { word })
        .collect();
    docker.run(&words).ok()
}

/// Two containers reach each other, the neighbour reaches them and they reach the neighbour. A link of `l3` is a
/// router's: containers of two subnets reach each other by it, and it asks nobody for an Ethernet address.
fn ipvlan(engine: &Engine, neighbour: &Neighbour, mode: &str, n: u8) {
    let client = engine.docker();
    let parent = neighbour.cable(engine, n);
    let layer3 = mode != "l2";
    let more = if layer3 {
        format!("--subnet 10.1{n}.0.0/24 ")
    } else {
        String::new()
    };
    docker(
        &client,
        &format!(
            "network create -d ipvlan --subnet 10.{n}.0.0/24 {more}-o parent={parent} -o ipvlan_mode={mode} {mode}"
        ),
    );
    let other = format!("10.{}{n}.0.11", if layer3 { "1" } else { "" });
    for (name, address) in [("one", format!("10.{n}.0.10")), ("two", other.clone())] {
        docker(
            &client,
            &format!("run -d --name {name} --network {mode} --ip {address} IMG sleep 1000"),
        );
    }
    let host = Command::new("ip")
        .args(["netns", "exec", engine.namespace(), "nsenter", "-t"])
        .arg(pid(&client, "one").to_string())
        .args(["-n", "ip", "-d", "link", "show", "eth0"])
        .output()
        .expect("ip runs");
    let link = String::from_utf8_lossy(&host.stdout).into_owned();
    assert!(
        link.contains(&format!("ipvlan  mode {mode} bridge")),
        "{link}"
    );
    assert_eq!(link.contains("NOARP"), layer3, "{link}");
    let ping = |name: &str, address: &str| {
        docker(&client, &format!("exec {name} ping -c 1 -W 20 {address}"));
    };
    ping("one", &other);
    ping("two", &format!("10.{n}.0.10"));
    // Names as on every network of one's own.
    docker(&client, "exec one ping -c 1 -W 20 two");
    if !layer3 {
        ping("one", &format!("10.{n}.0.253"));
    } else {
        let via = format!("via 10.{n}.0.254");
        ip(&format!("-n {} route add {other} {via}", neighbour.0));
        ip(&format!("-n {} route add 10.{n}.0.10 {via}", neighbour.0));
    }
    assert!(neighbour.pings(&format!("10.{n}.0.10")), "{mode}");
    assert!(neighbour.pings(&other), "{mode}");
    docker(&client, "rm -f one two");
    docker(&client, &format!("network rm {mode}"));
}

fn pid(client: &Client, container: &str) -> u32 {
    let pid = docker(
        client,
        &format!("inspect -f {{{{.State.Pid}}}} {container}"),
    );
    pid.parse().expect("a number")
}

/// A published port of SCTP: from another host, and from the host itself to its own address; another container of the
/// network's; a port that is taken.
fn sctp(engine: &Engine, neighbour: &Neighbour) {
    let client = engine.docker();
    neighbour.cable(engine, 9);
    docker(
        &client,
        "run -d --name server -p 9999:7000/sctp IMG sleep 1000",
    );
    docker(&client, "run -d --name sibling IMG sleep 1000");
    let shown = docker(&client, "port server");
    assert!(shown.starts_with("7000/sctp -> 0.0.0.0:9999"), "{shown}");
    let format = "{{.NetworkSettings.Networks.bridge.IPAddress}}";
    let address = docker(&client, &format!("inspect -f {format} server"));
    let inside = format!("/proc/{}/ns/net", pid(&client, "server"));
    let listener = within(&inside, || {
        let listener = sctp_socket();
        bind(&listener, &SocketAddr::from(([0, 0, 0, 0], 7000))).expect("the port is free");
        listen(&listener, 8).expect("it listens");
        listener
    });
    let sibling = format!("/proc/{}/ns/net", pid(&client, "sibling"));
    let host = format!("/run/netns/{}", engine.namespace());
    let outside = format!("/run/netns/{}", neighbour.0);
    let published = SocketAddr::from((Ipv4Addr::new(10, 9, 0, 254), 9999));
    let own = SocketAddr::new(address.parse().expect("an address"), 7000);
    for (from, target) in [(&outside, published), (&host, published), (&sibling, own)] {
        let asked = within(from, || {
            let asked = sctp_socket();
            connect(&asked, &target).unwrap_or_else(|e| panic!("{from} to {target}: {e}"));
            asked
        });
        let answered = accept(&listener).expect("a client");
        assert_eq!(send(&answered, b"hello", SendFlags::empty()), Ok(5));
        let mut heard = [0; 8];
        let (length, _) = recv(&asked, &mut heard, RecvFlags::empty()).expect("an answer");
        assert_eq!(&heard[..length], b"hello");
    }
    let taken = client.run(&["run", "--rm", "-p", "9999:1/sctp", BUSYBOX, "true"]);
    assert_eq!(taken.code, 125, "{taken:?}");
    assert!(taken.err.contains("port is already allocated"), "{taken:?}");
    docker(&client, "rm -f server sibling");
}

fn sctp_socket() -> OwnedFd {
    socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::SCTP))
        .expect("the kernel has SCTP")
}

/// Runs something in a network namespace, on a thread of its own.
fn within<T: Send>(path: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(path).expect("a network namespace");
    let visit = || {
        join(namespace.as_fd(), Namespaces::NETWORK).expect("these tests run as root");
        work()
    };
    std::thread::scope(|scope| scope.spawn(visit).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
