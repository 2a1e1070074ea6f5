//! A container joins a network.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use gantry_ids::EndpointId;

use super::{Held, Network, Networks, State, lock, publication, settings};
use crate::address_book::Unavailable as NoAddress;
use crate::bridge;
use crate::endpoint::{Endpoint, EndpointRequest, MacAddr};
use crate::error::{NetworkError, Publisher};
use crate::firewall;
use crate::namespace;
use crate::port::{HostPort, PublishedPort};
use crate::port_book::{Busy, Unavailable as NoPort};
use crate::reservation::{Refused, Reservation};
use crate::store::NetworkRecord;

impl Networks {
    /// Connects a container's sandbox to a network and publishes its ports: one veth, one firewall
    /// transaction. All or nothing. On `none` and `host` only the membership is recorded.
    pub fn connect(&self, request: &EndpointRequest) -> Result<Endpoint, NetworkError> {
        let network = self.state().find(&request.network)?.record.clone();
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

    pub(super) fn publish(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let Some(publication) = publication(endpoint).filter(|_| self.config.firewall) else {
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
                    let fixed = is_exact(request, &endpoint, &refused.port);
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
        // What leads nowhere is not reached from outside either.
        let wanted = if endpoint.gateway.is_some() && network.bridge.is_some() {
            request.ports.as_slice()
        } else {
            &[]
        };
        let allocated = self
            .state()
            .ports
            .allocate(wanted, self.default_binding(network), busy);
        allocated.map_err(|unavailable| match unavailable {
            NoPort::Allocated { address, port } => NetworkError::PortAllocated {
                publisher: publisher(endpoint),
                address,
                port,
            },
            NoPort::Exhausted => NetworkError::NoPortLeft {
                publisher: publisher(endpoint),
            },
        })
    }

    /// The address of an endpoint that did not come into being.
    fn give_back(&self, endpoint: &Endpoint) {
        let mut state = self.state();
        if let (
            Some(ip),
            Some(Network {
                addresses: Some(book),
                ..
            }),
        ) = (endpoint.ip, state.by_id(&endpoint.network))
        {
            book.release(ip);
        }
    }
}

/// Was this port asked for by number?
fn is_exact(request: &EndpointRequest, endpoint: &Endpoint, port: &PublishedPort) -> bool {
    let index = endpoint.ports.iter().position(|p| p == port);
    index
        .and_then(|index| request.ports.get(index))
        .is_none_or(|asked| matches!(asked.host_port, HostPort::Exact(_)))
}

fn publisher(endpoint: &Endpoint) -> Publisher {
    Publisher {
        container_name: endpoint.container_name.clone(),
        endpoint: endpoint.id.clone(),
    }
}

fn host_port(endpoint: &Endpoint, refused: Refused) -> NetworkError {
    let Refused { port, source } = refused;
    NetworkError::HostPort {
        publisher: publisher(endpoint),
        address: port.host_ip,
        port: port.host_port,
        container_ip: endpoint.ip.unwrap_or(Ipv4Addr::UNSPECIFIED),
        container_port: port.container_port,
        protocol: port.protocol,
        source,
    }
}

impl State {
    /// An endpoint with its address, and no ports yet.
    fn lease(
        &mut self,
        network: &NetworkRecord,
        request: &EndpointRequest,
    ) -> Result<Endpoint, NetworkError> {
        let others = self
            .containers
            .get(&request.container)
            .map(|c| c.endpoints.as_slice())
            .unwrap_or_default();
        if others.iter().any(|h| h.endpoint.network == network.id) {
            return Err(NetworkError::AlreadyConnected {
                container_name: request.container_name.clone(),
                network: network.name.clone(),
            });
        }
        let prefix = settings::options(network).interface_prefix;
        let interface = (0..).map(|n| format!("{prefix}{n}")).find(|name| {
            !others
                .iter()
                .any(|h| h.endpoint.interface.as_ref() == Some(name))
        });
        if request.ip.is_some() && !network.user_subnet {
            return Err(NetworkError::AddressNeedsUserSubnet);
        }
        if let Some(foreign) = request.link_local.iter().find(|ip| !ip.is_link_local()) {
            return Err(NetworkError::NotLinkLocal(*foreign));
        }
        let ip = self.lease_address(network, request)?;
        let gateway = settings::gateway(network);
        Ok(Endpoint {
            id: EndpointId::generate(),
            network: network.id.clone(),
            network_name: network.name.clone(),
            container: request.container.clone(),
            container_name: request.container_name.clone(),
            ip,
            prefix: network
                .subnet
                .filter(|_| ip.is_some())
                .map_or(0, |s| s.prefix_len()),
            gateway: gateway.filter(|_| ip.is_some()),
            mac: ip.map(|ip| request.mac.unwrap_or(MacAddr(bridge::mac_of(ip)))),
            interface: interface.filter(|_| ip.is_some()),
            ports: Vec::new(),
            names: request.names.clone(),
            links: request.links.clone(),
            link_local: request.link_local.clone(),
            gateway_priority: request.gateway_priority,
        })
    }

    fn lease_address(
        &mut self,
        network: &NetworkRecord,
        request: &EndpointRequest,
    ) -> Result<Option<Ipv4Addr>, NetworkError> {
        let gone = || NetworkError::NoSuchNetwork(network.name.clone());
        let Some(book) = &mut self.by_id(&network.id).ok_or_else(gone)?.addresses else {
            return Ok(None);
        };
        let leased = match request.ip {
            Some(ip) => book.lease(ip).map(|()| ip),
            None => book.lease_any(),
        };
        leased
            .map(Some)
            .map_err(|unavailable| match (unavailable, request.ip) {
                (NoAddress::Taken, Some(ip)) => NetworkError::AddressInUse(ip),
                (NoAddress::Outside, Some(ip)) => NetworkError::AddressOutside(ip),
                _ => NetworkError::NoAddressLeft {
                    name: network.name.clone(),
                    id: network.id.clone(),
                },
            })
    }

    fn attach(&mut self, endpoint: Endpoint, ports: Reservation) {
        let attached = self
            .containers
            .entry(endpoint.container.clone())
            .or_default();
        attached.endpoints.push(Held { endpoint, ports });
    }
}
