//! A container joins a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use super::{Networks, lock, settings};
use crate::definition::GatewayMode;
use crate::endpoint::{Endpoint, EndpointRequest};
use crate::error::{NetworkError, Publisher};
use crate::firewall;
use crate::namespace;
use crate::port::PortRequest;
use crate::port::{HostPort, Protocol, PublishedPort};
use crate::port_book::{Busy, Unavailable as NoPort};
use crate::reservation::{Refused, Reservation, has_ipv6};
use crate::store::{Family, NetworkRecord};

impl Networks {
    /// Connects a container's sandbox to a network and publishes its ports: one veth, one firewall
    /// transaction. All or nothing. On `none` and `host` only the membership is recorded.
    pub fn connect(&self, request: &EndpointRequest) -> Result<Endpoint, NetworkError> {
        let network = self.state().find(&request.network)?.record.clone();
        if network.config_only {
            return Err(NetworkError::ConfigOnly);
        }
        let sandbox = if settings::has_links(&network) {
            Some(self.open_sandbox(request)?)
        } else {
            None
        };
        let endpoint = self.reserve(&network, request)?;
        let made = self.make(&network, &endpoint, sandbox.as_ref());
        if let Err(error) = made {
            self.undo(&endpoint);
            return Err(error);
        }
        self.write_names(std::slice::from_ref(&endpoint));
        // Its ports may have moved to it, or from it.
        Ok(self.endpoint(&endpoint).unwrap_or(endpoint))
    }

    fn open_sandbox(&self, request: &EndpointRequest) -> Result<OwnedFd, NetworkError> {
        let path = self.sandbox_path(&request.container);
        if !path.exists() {
            return Err(NetworkError::NoSandbox(request.container.clone()));
        }
        namespace::open(&path)
    }

    /// Record first, then the kernel.
    fn make(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        sandbox: Option<&OwnedFd>,
    ) -> Result<(), NetworkError> {
        self.write_record(&endpoint.container)?;
        if let Some(sandbox) = sandbox {
            self.make_links(network, endpoint, sandbox)?;
        }
        self.publish(endpoint)?;
        self.move_ports(&endpoint.container)
    }

    /// Leads what the kernel cannot to the endpoint's container.
    pub(super) fn relay(&self, endpoint: &Endpoint) {
        let sockets: Vec<_> = {
            let state = self.state();
            let held = state.containers.get(&endpoint.container).into_iter();
            let mut held = held.flat_map(|c| &c.endpoints);
            let own = held.find(|h| h.endpoint.id == endpoint.id);
            own.map(|h| h.ports.relayed().to_vec()).unwrap_or_default()
        };
        let address = endpoint.ip6.map(IpAddr::V6).or(endpoint.ip.map(IpAddr::V4));
        for relayed in sockets {
            let host = relayed.host;
            let published = |port: &&PublishedPort| {
                port.protocol == relayed.protocol
                    && (port.host_ip, port.host_port) == (host.ip(), host.port())
            };
            let port = endpoint.ports.iter().find(published);
            let (Some(address), Some(port)) = (address, port) else {
                continue;
            };
            let target = SocketAddr::new(address, port.container_port);
            if let Err(error) = self.relay.lead(&relayed, target) {
                tracing::warn!(%host, %error, "what arrives by IPv6 is not relayed");
            }
        }
    }

    pub(super) fn publish(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        self.relay(endpoint);
        let publication = self.state().publication(endpoint);
        let Some(publication) = publication.filter(|_| self.config.firewall) else {
            return Ok(());
        };
        let mut socket = lock(&self.netfilter);
        let added = firewall::publish(self.config.engine, &[publication]).commit(&mut socket);
        drop(socket);
        // Somebody flushed our table, or it was rebuilt with this endpoint in it already: say it whole.
        if added.is_err() {
            self.rebuild_firewall()
        } else {
            Ok(())
        }
    }

    fn undo(&self, endpoint: &Endpoint) {
        if let Err(error) = self.detach(&endpoint.container, Some(&endpoint.network)) {
            tracing::warn!(error = %gantry_errors::chain(&error), "undoing a failed connect");
        }
    }

    /// Takes an address and ports in the books, and the ports from the host's processes.
    fn reserve(
        &self,
        network: &NetworkRecord,
        request: &EndpointRequest,
    ) -> Result<Endpoint, NetworkError> {
        let mut busy = Busy::new();
        let mut endpoint = self.state().lease(network, request)?;
        loop {
            let ports = self
                .allocate_ports(network, &endpoint, request, &busy)
                .inspect_err(|_| self.give_back(&endpoint))?;
            endpoint.ports = ports;
            let wanted = if self.config.firewall {
                endpoint.ports.as_slice()
            } else {
                &[]
            };
            match Reservation::bind(wanted) {
                Ok(reservation) => {
                    self.state().attach(endpoint.clone(), reservation);
                    return Ok(endpoint);
                }
                Err(refused) => {
                    self.state().ports.release(&endpoint.ports);
                    let fixed = is_exact(&request.ports, &refused.port);
                    busy.insert((refused.port.protocol, refused.port.host_port));
                    if fixed {
                        self.give_back(&endpoint);
                        return Err(host_port(&endpoint, refused));
                    }
                }
            }
        }
    }

    fn allocate_ports(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        request: &EndpointRequest,
        busy: &Busy,
    ) -> Result<Vec<PublishedPort>, NetworkError> {
        let wanted = self.wanted(network, endpoint, &request.ports, 0);
        let allocated = self.state().ports.allocate(&wanted.on_host, busy);
        wanted.settled(endpoint, allocated)
    }

    /// Where ports are to be published; `others` are published already.
    pub(super) fn wanted<'a>(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        ports: &'a [PortRequest],
        others: usize,
    ) -> Wanted<'a> {
        let mut wanted = Wanted::default();
        // What leads nowhere is not reached from outside either.
        if network.bridge.is_none() || !Family::BOTH.iter().any(|f| endpoint.leads_out(*f)) {
            return wanted;
        }
        let options = settings::options(network);
        let is_routed =
            |address: &IpAddr| options.of(Family::of(*address)).mode == GatewayMode::Routed;
        for port in ports {
            let addresses = self.host_addresses_of(network, endpoint, (port, others + ports.len()));
            let (own, on_host): (Vec<_>, _) = addresses.into_iter().partition(is_routed);
            wanted
                .routed
                .extend(own.into_iter().map(|host_ip| PublishedPort {
                    container_port: port.container_port,
                    protocol: port.protocol,
                    host_ip,
                    host_port: 0,
                }));
            wanted.on_host.push((port, on_host));
        }
        wanted
    }

    /// The address of an endpoint that did not come into being.
    fn give_back(&self, endpoint: &Endpoint) {
        if let Some(network) = self.state().by_id(&endpoint.network) {
            for net in endpoint.addresses() {
                network.release(net.addr());
            }
        }
    }
}

/// Where ports are to be published.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// On ports of the host, and on which of its addresses each.
    pub(super) on_host: Vec<(&'a PortRequest, Vec<IpAddr>)>,
    /// At the container's own address.
    routed: Vec<PublishedPort>,
}

impl Wanted<'_> {
    /// All of them, once the host's are given.
    pub(super) fn settled(
        self,
        endpoint: &Endpoint,
        allocated: Result<Vec<PublishedPort>, NoPort>,
    ) -> Result<Vec<PublishedPort>, NetworkError> {
        let mut all = self.routed;
        match allocated {
            Ok(allocated) => {
                all.extend(allocated);
                Ok(all)
            }
            Err(NoPort::Allocated { address, port }) => Err(NetworkError::PortAllocated {
                publisher: publisher(endpoint),
                address,
                port,
            }),
            Err(NoPort::Exhausted) => Err(NetworkError::NoPortLeft {
                publisher: publisher(endpoint),
            }),
        }
    }
}

/// Was this port asked for by number?
pub(super) fn is_exact(requests: &[PortRequest], port: &PublishedPort) -> bool {
    requests.iter().any(|asked| {
        asked.host_port == HostPort::Exact(port.host_port)
            && (asked.container_port, asked.protocol) == (port.container_port, port.protocol)
    })
}

fn publisher(endpoint: &Endpoint) -> Publisher {
    Publisher {
        container_name: endpoint.container_name.clone(),
        endpoint: endpoint.id.clone(),
    }
}

pub(super) fn host_port(endpoint: &Endpoint, refused: Refused) -> NetworkError {
    let Refused { port, source } = refused;
    let container_ip = endpoint
        .address(Family::of(port.host_ip))
        .or(endpoint.ip.map(IpAddr::V4));
    NetworkError::HostPort {
        publisher: publisher(endpoint),
        address: port.host_ip,
        port: port.host_port,
        container_ip: container_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        container_port: port.container_port,
        protocol: port.protocol,
        source,
    }
}

/// A container with more published ports than this is not reached by IPv6 unless it has IPv6 itself: a
/// relayed port takes a descriptor.
const RELAYED_PER_ENDPOINT: usize = 128;

impl Networks {
    /// The addresses of the host on which a port is to be published: those of the families that the
    /// container has. One that names none is published on both where the default is every address.
    fn host_addresses_of(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        (port, ports): (&PortRequest, usize),
    ) -> Vec<IpAddr> {
        let default = self.default_binding(network);
        let mut wanted = vec![port.host_ip.unwrap_or(default)];
        if port.host_ip.is_none() && default == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && has_ipv6() {
            wanted.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        }
        // The relay leads what comes by IPv6 to a container that has none.
        let relayed = self.config.firewall
            && endpoint.ip.is_some()
            && port.protocol != Protocol::Sctp
            && ports <= RELAYED_PER_ENDPOINT;
        wanted.retain(|address| {
            endpoint.address(Family::of(*address)).is_some() || (address.is_ipv6() && relayed)
        });
        wanted
    }
}
