//! How long a container waits for its network: `create_sandbox`, `connect` with a published port,
//! `release`, in a network namespace of its own. Arguments: rounds, rest between them in milliseconds,
//! ports per container.
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
        for (list, time) in times.iter_mut().zip(one_container(&networks, ports)?) {
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
    Ok(())
}

fn one_container(networks: &Networks, ports: u16) -> Result<[Duration; 4], Box<dyn Error>> {
    let id = ContainerId::generate();
    let port = |n| PortRequest {
        container_port: 80 + n,
        protocol: Protocol::Tcp,
        host_ip: None,
        host_port: HostPort::Exact(8080 + n),
    };
    let mut request = EndpointRequest::new(id.clone(), "bench", "bridge");
    request.ports = (0..ports).map(port).collect();
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
