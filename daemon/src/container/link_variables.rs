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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(exposed: &[&str], env: &[&str]) -> Vec<String> {
        let body = serde_json::json!({
            "ExposedPorts": exposed.iter().map(|port| ((*port).to_owned(), serde_json::json!({}))).collect::<serde_json::Map<_, _>>(),
            "Env": env,
        });
        let config: ContainerConfig = serde_json::from_value(body).unwrap();
        of("web", "my-db", (IpAddr::from([172, 17, 0, 3]), &config))
    }

    /// Recorded of stock dockerd 28.5, without what tells address, number and protocol of a port again.
    #[test]
    fn variables_are_dockerds_in_its_order() {
        let exposed = [
            "90/tcp", "91/tcp", "92/tcp", "80/tcp", "81/tcp", "100/tcp", "81/udp", "82/udp",
            "5/sctp",
        ];
        let all = told(&exposed, &["B=2", "PATH=/bin", "HOME=/x", "EMPTY=", "BARE"]);
        let repeats = |line: &&String| {
            let name = line.split('=').next().unwrap_or_default();
            ["_ADDR", "_PROTO"].iter().any(|end| name.ends_with(end))
        };
        assert_eq!(all.iter().filter(repeats).count(), 2 * exposed.len());
        let rest: Vec<_> = all
            .iter()
            .filter(|line| !repeats(line))
            .map(|line| line.strip_prefix("MY_DB_").unwrap())
            .collect();
        let expected = "PORT=tcp://172.17.0.3:80
PORT_80_TCP=tcp://172.17.0.3:80
PORT_80_TCP_PORT=80
PORT_81_TCP=tcp://172.17.0.3:81
PORT_81_TCP_PORT=81
PORT_90_TCP=tcp://172.17.0.3:90
PORT_90_TCP_PORT=90
PORT_80_TCP_START=tcp://172.17.0.3:80
PORT_80_TCP_PORT_START=80
PORT_80_TCP_END=tcp://172.17.0.3:81
PORT_80_TCP_PORT_END=81
PORT_91_TCP=tcp://172.17.0.3:91
PORT_91_TCP_PORT=91
PORT_92_TCP=tcp://172.17.0.3:92
PORT_92_TCP_PORT=92
PORT_100_TCP=tcp://172.17.0.3:100
PORT_100_TCP_PORT=100
PORT_90_TCP_START=tcp://172.17.0.3:90
PORT_90_TCP_PORT_START=90
PORT_90_TCP_END=tcp://172.17.0.3:92
PORT_90_TCP_PORT_END=92
PORT_5_SCTP=sctp://172.17.0.3:5
PORT_5_SCTP_PORT=5
PORT_81_UDP=udp://172.17.0.3:81
PORT_81_UDP_PORT=81
PORT_82_UDP=udp://172.17.0.3:82
PORT_82_UDP_PORT=82
PORT_81_UDP_START=udp://172.17.0.3:81
PORT_81_UDP_PORT_START=81
PORT_81_UDP_END=udp://172.17.0.3:82
PORT_81_UDP_PORT_END=82
NAME=/web/my-db
ENV_B=2
ENV_EMPTY=";
        assert_eq!(rest.join("\n"), expected);
        assert_eq!(told(&[], &[]), ["MY_DB_NAME=/web/my-db"]);
    }
}
