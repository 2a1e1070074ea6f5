//! A container's first packets, to it and from it, are not lost, however busy the host is. One that is lost is
//! said again after a second, and the kernel counts it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::lab::{Engine, HOST, HOST6, LAN, LAN6, in_lab, tcp};
use crate::six::{Member, with_subnets};
use crate::talk::{Server, ask};

/// Threads in which containers come one after the other.
const THREADS: u16 = 6;

/// Containers of each thread. `GANTRY_FIRST_PACKETS` asks for more.
fn rounds() -> u16 {
    std::env::var("GANTRY_FIRST_PACKETS").map_or(3, |text| text.parse().unwrap())
}

/// How often the calling thread's namespace said again that it wants a connection, or lets one come.
fn said_again() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let found = pairs.find(|(name, _)| *name == "TCPSynRetrans");
    found.unwrap().1.parse().unwrap()
}

/// A container comes, talks at once to the outside, is talked to, and goes.
fn come_and_go(engine: &Engine, network: &str, port: u16) {
    let web = Member::join(engine, network, vec![tcp(port, 80)]);
    let server = Server::tcp_of_both(&web.inside, 80);
    let asked = |what: &str, heard: std::io::Result<std::net::IpAddr>| {
        heard.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(web.inside.run(said_again), 0, "{what}");
    };
    asked("out", web.inside.run(|| ask(LAN, 7000)));
    asked("out by IPv6", web.inside.run(|| ask(LAN6, 7000)));
    asked("in", ask(web.endpoint.ip.unwrap(), 80));
    asked("in by IPv6", ask(web.ip6(), 80));
    asked("published", ask(HOST, port));
    asked("published on IPv6", ask(HOST6, port));
    drop(server);
    engine.networks.release(&web.endpoint.container).unwrap();
}

/// As many threads as make others wait for a processor, until all of `work` is done.
fn while_busy(work: impl Fn(u16) + Sync) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let work = &work;
        let workers: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || work(n))).collect();
        let ended: Vec<_> = workers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        for worker in ended {
            worker.unwrap();
        }
    });
}

#[test]
fn first_packets_arrive_however_busy_the_host_is() {
    in_lab(|lab| {
        let engine = lab.engine();
        let outside = Server::tcp_of_both(&lab.lan, 7000);
        // All containers are one client for the outside. When one takes up a port of another that has just
        // gone, whoever remembers the last connection (TIME_WAIT) may refuse the first packet of the next.
        let forget = || std::fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0").unwrap();
        lab.lan.run(forget);
        engine.networks.create(&with_subnets("kept", &[])).unwrap();
        while_busy(|n| {
            for _ in 0..rounds() {
                come_and_go(&engine, "kept", 8000 + n);
            }
        });
        // The first of a network also waits for its bridge.
        while_busy(|n| {
            for _ in 0..rounds() {
                let fresh = format!("fresh{n}");
                engine.networks.create(&with_subnets(&fresh, &[])).unwrap();
                come_and_go(&engine, &fresh, 8000 + n);
                engine.networks.remove(&fresh).unwrap();
            }
        });
        assert_eq!(said_again(), 0, "by the host");
        assert_eq!(lab.lan.run(said_again), 0, "by the outside");
        drop(outside);
    });
}
