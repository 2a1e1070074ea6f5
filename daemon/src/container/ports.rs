//! Published ports: from the request's bindings to the network's.

use gantry_engine_api::{ContainerConfig, HostConfig, host_config, port::ContainerPort};
use gantry_network::{HostPort, PortRequest, Protocol};

use super::error::ContainerError;

/// Every binding can be read.
///
/// # Errors
/// [`ContainerError::Invalid`] in dockerd's words.
pub(super) fn check(host: &HostConfig) -> Result<(), ContainerError> {
    bindings(host).map(drop)
}

/// What the network is asked for: `-p`, and with `-P` every exposed port that is not bound.
///
/// # Errors
/// [`ContainerError::Invalid`] in dockerd's words.
pub(super) fn requests(
    config: &ContainerConfig,
    host: &HostConfig,
) -> Result<Vec<PortRequest>, ContainerError> {
    let mut requests = bindings(host)?;
    if host.publish_all_ports {
        for (port, _) in config.exposed_ports.iter() {
            let parsed: ContainerPort = port
                .parse()
                .map_err(|error| ContainerError::Invalid(format!("{error}")))?;
            let protocol = match parsed.protocol {
                gantry_engine_api::port::Protocol::Tcp => Protocol::Tcp,
                gantry_engine_api::port::Protocol::Udp => Protocol::Udp,
                gantry_engine_api::port::Protocol::Sctp => Protocol::Sctp,
            };
            let bound = |request: &PortRequest| {
                request.container_port == parsed.number && request.protocol == protocol
            };
            if !requests.iter().any(bound) {
                requests.push(PortRequest {
                    container_port: parsed.number,
                    protocol,
                    host_ip: None,
                    host_port: HostPort::Any,
                });
            }
        }
    }
    Ok(requests)
}

fn bindings(host: &host_config::HostConfig) -> Result<Vec<PortRequest>, ContainerError> {
    let mut requests = Vec::new();
    for (port, bindings) in host.port_bindings.iter() {
        let read = |ip: &str, host_port: &str| {
            PortRequest::parse(port, ip, host_port)
                .map_err(|error| ContainerError::Invalid(error.to_string()))
        };
        if bindings.is_empty() {
            requests.push(read("", "")?);
        }
        for binding in bindings.iter() {
            requests.push(read(&binding.host_ip, &binding.host_port)?);
        }
    }
    Ok(requests)
}
