//! The environment variables that a link on the default bridge sets (`DB_PORT_5432_TCP_ADDR=172.17.0.2`), in
//! dockerd's names and order. Pure; hosts lines are `joins`' part.

use std::net::IpAddr;

use gantry_engine_api::ContainerConfig;
use gantry_engine_api::port::{ContainerPort, Protocol};

/// Ports of one protocol that follow each other.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: ContainerPort,
    last: u16,
}

/// What `container` is told of the linked container that it calls `alias`.
pub(super) fn of(
    container: &str,
    alias: &str,
    (address, linked): (IpAddr, &ContainerConfig),
) -> Vec<String> {
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut list = Vec::new();
    let keys = linked.exposed_ports.keys();
    let mut ports: Vec<ContainerPort> = keys.filter_map(|port| port.parse().ok()).collect();
    ports.sort_by_key(|port| (rank(port.protocol), port.number));
    if let Some(first) = ports.first() {
        list.push(format!("{prefix}_PORT={}", url(address, *first)));
    }
    let mut run: Option<Run> = None;
    for port in ports {
        let of_port = named(&prefix, port);
        list.push(format!("{of_port}={}", url(address, port)));
        list.push(format!("{of_port}_ADDR={address}"));
        list.push(format!("{of_port}_PORT={}", port.number));
        list.push(format!("{of_port}_PROTO={}", port.protocol));
        match &mut run {
            Some(run)
                if run.first.protocol == port.protocol
                    && run.last.checked_add(1) == Some(port.number) =>
            {
                run.last = port.number;
            }
            _ => {
                let fresh = Run {
                    first: port,
                    last: port.number,
                };
                list.extend(
                    run.replace(fresh)
                        .iter()
                        .flat_map(|run| range(&prefix, address, *run)),
                );
            }
        }
    }
    list.extend(run.iter().flat_map(|run| range(&prefix, address, *run)));
    list.push(format!("{prefix}_NAME=/{container}/{alias}"));
    for entry in linked.env.iter() {
        if let Some((name, value)) = entry.split_once('=')
            && !matches!(name, "HOME" | "PATH")
        {
            list.push(format!("{prefix}_ENV_{name}={value}"));
        }
    }
    list
}

/// TCP first, the others by name.
fn rank(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Sctp => 1,
        Protocol::Udp => 2,
    }
}

fn named(prefix: &str, port: ContainerPort) -> String {
    let protocol = port.protocol.to_string().to_uppercase();
    format!("{prefix}_PORT_{}_{protocol}", port.number)
}

fn url(address: IpAddr, port: ContainerPort) -> String {
    format!("{}://{address}:{}", port.protocol, port.number)
}

/// Of several ports alone.
fn range(prefix: &str, address: IpAddr, run: Run) -> Vec<String> {
    if run.last == run.first.number {
        return Vec::new();
    }
    let name = named(prefix, run.first);
    let last = ContainerPort {
        number: run.last,
        ..run.first
    };
    vec![
        format!("{name}_START={}", url(address, run.first)),
        format!("{name}_PORT_START={}", run.first.number),
        format!("{name}_END={}", url(address, last)),
        format!("{name}_PORT_END={}", run.last),
    ]
}
