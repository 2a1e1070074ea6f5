//! How long a container waits for its network: `create_sandbox`, `connect` with a published port,
//! `release`, in a network namespace of its own; then the rate with ten at once. Arguments: rounds, rest
//! between them in milliseconds, ports per container.
//!
//! `cargo run --release -p gantry-network --example latency -- 40 100 1`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantry_ids::{ContainerId, EngineId};
use gantry_linux::namespace::{Namespaces, unshare};
use gantry_network::{
    EndpointRequest, HostPort, MemoryStore, NetworkConfig, Networks, PortRequest, Protocol,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u16>());
    let mut argument = |default| arguments.next().unwrap_or(Ok(default));
    let (rounds, rest_ms, ports) = (argument(40)?, argument(100)?, argument(1)?);
    unshare(Namespaces::NETWORK)?;
    let folder = tempfile::tempdir()?;
    let engine = EngineId::of_data_root(folder.path());
    let started = Instant::now();
    let networks = Networks::open(
        NetworkConfig::new(engine, folder.path()),
        Arc::new(MemoryStore::default()),
    )?;
    println!("open: {:.2} ms", started.elapsed().as_secs_f64() * 1e3);
    let names = ["create_sandbox", "connect", "release", "drain"];
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..rounds {
        std::thread::sleep(Duration::from_millis(rest_ms.into()));
        for (list, time) in times.iter_mut().zip(one_container(&networks, 8080, ports)?) {
            list.push(time);
        }
    }
    for (name, mut list) in names.into_iter().zip(times) {
        list.sort();
        let at = |share: usize| list[(list.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!(
            "{name}: median {:.2} ms, min {:.2}, p90 {:.2}",
            at(50),
            at(0),
            at(90)
        );
    }
    if ports <= 100 {
        ten_at_once(&networks, ports);
    }
    Ok(())
}

/// Fifty containers come and stay, then go, ten at once.
fn ten_at_once(networks: &Networks, ports: u16) {
    const EACH: u16 = 5;
    let ids: Vec<Vec<_>> = (0..10)
        .map(|_| (0..EACH).map(|_| ContainerId::generate()).collect())
        .collect();
    let come = Instant::now();
    std::thread::scope(|scope| {
        for (thread, ids) in (0_u16..).zip(&ids) {
            scope.spawn(move || {
                for (n, id) in (0_u16..).zip(ids) {
                    networks.create_sandbox(id).expect("a namespace");
                    let request = request(id, 10_000 + (thread * EACH + n) * ports, ports);
                    networks.connect(&request).expect("a place in the network");
                }
            });
        }
    });
    let come = come.elapsed();
    let left = Instant::now();
    let go = Instant::now();
    std::thread::scope(|scope| {
        for ids in &ids {
            scope.spawn(move || {
                for id in ids {
                    networks.release(id).expect("release");
                }
            });
        }
    });
    let go = go.elapsed();
    networks.drain();
    println!(
        "50 containers, ten at once: {:.1} ms to come, {:.1} ms to go, {:.1} ms until nothing is left",
        come.as_secs_f64() * 1e3,
        go.as_secs_f64() * 1e3,
        left.elapsed().as_secs_f64() * 1e3
    );
}

fn one_container(
    networks: &Networks,
    first: u16,
    ports: u16,
) -> Result<[Duration; 4], Box<dyn Error>> {
    let id = ContainerId::generate();
    let request = request(&id, first, ports);
    let mut clock = Instant::now();
    let mut lap = || std::mem::replace(&mut clock, Instant::now()).elapsed();
    networks.create_sandbox(&id)?;
    let sandbox = lap();
    networks.connect(&request)?;
    let connect = lap();
    networks.release(&id)?;
    let release = lap();
    networks.drain();
    Ok([sandbox, connect, release, lap()])
}

fn request(id: &ContainerId, first: u16, ports: u16) -> EndpointRequest {
    let port = |n| PortRequest {
        // One port as usual, many as a range that is the same on both sides.
        container_port: if ports == 1 { 80 } else { first + n },
        protocol: Protocol::Tcp,
        host_ip: None,
        host_port: HostPort::Exact(first + n),
    };
    let mut request = EndpointRequest::new(id.clone(), "bench", "bridge");
    request.ports = (0..ports).map(port).collect();
    request
}
