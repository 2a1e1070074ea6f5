//! The links of one endpoint: a veth pair, addresses and routes, both when made and when put back.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use gantry_netlink::{Protocol, Socket, route};

use super::default_route::route_through;
use super::inside::{Inside, inside};
use super::{Networks, defaults, lock, settings};
use crate::bridge;
use crate::definition::{self, DefinitionError};
use crate::endpoint::Endpoint;
use crate::error::NetworkError;
use crate::names;
use crate::namespace;
use crate::store::{Family, NetworkRecord};

/// How long a container waits for its link at most.
const CARRIER_DEADLINE: Duration = Duration::from_secs(2);

impl Networks {
    /// Makes the veth pair and configures its inner end. Nothing to do on networks without addresses.
    pub(super) fn make_links(
        &self,
        network: &NetworkRecord,
        endpoint: &Endpoint,
        namespace: &OwnedFd,
    ) -> Result<(), NetworkError> {
        let Some(inside) = inside(endpoint) else {
            return Ok(());
        };
        let path = self.sandbox_path(&endpoint.container);
        let leaders = self.leaders(&endpoint.container);
        let configure = || {
            namespace::enter(namespace, &path, || {
                self.configure_inside(&inside)?;
                route_through(&leaders)
            })
        };
        if let Some(parent) = network.parent.as_deref() {
            self.make_on_device(network, parent, (&inside, namespace))?;
            return configure();
        }
        let Some(bridge) = network.bridge.as_deref() else {
            return Ok(());
        };
        let name = names::veth(self.config.engine, &endpoint.id);
        {
            let mut socket = lock(&self.route);
            let master = self.bridge_index(&mut socket, network, bridge)?;
            let peer = route::VethPeer {
                name: inside.interface,
                mac: inside.mac,
                namespace: namespace.as_fd(),
            };
            let veth = route::VethSpec {
                name: &name,
                master,
                mtu: settings::mtu(network, &self.config),
                peer,
            };
            socket
                .request(&[route::create_veth(&veth)])
                .map_err(NetworkError::Links)?;
            self.settle_port(&mut socket, network, endpoint)?;
        }
        configure()?;
        self.wait_until_operational(&name, bridge)
    }

    /// A link on a device of the host's, made in the container's namespace at once.
    fn make_on_device(
        &self,
        network: &NetworkRecord,
        parent: &str,
        (inside, namespace): (&Inside<'_>, &OwnedFd),
    ) -> Result<(), NetworkError> {
        let mut socket = lock(&self.route);
        let device = route::link(&mut socket, parent).map_err(NetworkError::Links)?;
        let device = device.ok_or_else(|| DefinitionError::NoParent(parent.to_owned()))?;
        let mtu = settings::mtu(network, &self.config).min(device.mtu);
        let place = route::VethPeer {
            name: inside.interface,
            mac: inside.mac,
            namespace: namespace.as_fd(),
        };
        let message = match settings::ipvlan(network) {
            Some(options) => route::create_ipvlan(&route::IpvlanSpec {
                parent: device.index,
                mode: options.mode,
                flag: options.flag,
                mtu,
                place,
            }),
            None => route::create_macvlan(&route::MacvlanSpec {
                parent: device.index,
                mode: settings::macvlan_mode(network),
                mtu,
                place,
            }),
        };
        socket.request(&[message]).map_err(NetworkError::Links)
    }

    /// Deletes an endpoint's link where it lives in the container's namespace: that of a macvlan network,
    /// of a container that lives on.
    pub(super) fn delete_inside(&self, endpoint: &Endpoint) -> Result<(), NetworkError> {
        let Some(interface) = endpoint.interface.as_deref() else {
            return Ok(());
        };
        let path = self.sandbox_path(&endpoint.container);
        let namespace = namespace::open(&path)?;
        namespace::enter(&namespace, &path, || {
            let mut socket = Socket::open(Protocol::Route).map_err(NetworkError::Links)?;
            let there = route::link(&mut socket, interface).map_err(NetworkError::Links)?;
            let gone = there.map(|_| route::delete_link(interface));
            socket
                .request(&gone.into_iter().collect::<Vec<_>>())
                .map_err(NetworkError::Links)
        })
    }

    /// The bridge's index; an own bridge that somebody deleted is made again.
    fn bridge_index(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
        name: &str,
    ) -> Result<u32, NetworkError> {
        if let Some(link) = route::link(socket, name).map_err(NetworkError::Links)? {
            return Ok(link.index);
        }
        self.restore_bridge(socket, network)
    }

    /// Makes sure that a network's device is there, whatever carries it; nothing to do for those that have
    /// none of the engine's own.
    pub(super) fn restore_device(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
    ) -> Result<(), NetworkError> {
        if network.bridge.is_some() {
            return self.restore_bridge(socket, network).map(drop);
        }
        let Some(parent) = network
            .parent
            .as_deref()
            .filter(|_| !network.foreign_bridge)
        else {
            return Ok(());
        };
        if let Some(link) = route::link(socket, parent).map_err(NetworkError::Links)? {
            let up = (!link.up).then(|| route::set_up(link.index));
            let messages: Vec<_> = up.into_iter().collect();
            return socket.request(&messages).map_err(NetworkError::Links);
        }
        let message = match definition::tagged(parent) {
            Some((device, tag)) => {
                let link = route::link(socket, device).map_err(NetworkError::Links)?;
                let link = link.ok_or_else(|| DefinitionError::NoParent(parent.to_owned()))?;
                route::create_vlan(parent, link.index, tag)
            }
            None => return make_lonely(socket, parent),
        };
        socket.request(&[message]).map_err(NetworkError::Links)
    }

    /// Makes a network's device again if it is gone, and tells what was made.
    pub(super) fn restore_lost_device(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
    ) -> Result<Option<String>, NetworkError> {
        let (what, name) = match (&network.bridge, &network.parent) {
            (Some(name), _) => ("bridge", name),
            (None, Some(name)) if !network.foreign_bridge => ("device", name),
            _ => return Ok(None),
        };
        if route::link(socket, name)
            .map_err(NetworkError::Links)?
            .is_some()
        {
            return Ok(None);
        }
        self.restore_device(socket, network)?;
        Ok(Some(format!("{what} {name}")))
    }

    /// Makes sure that a network's bridge is there, as the record says; an administrator's own must be.
    fn restore_bridge(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
    ) -> Result<u32, NetworkError> {
        let first = network.subnets_in_use().next();
        let (Some(first), Some(name)) = (first, network.bridge.as_deref()) else {
            let why = format!("network {} has no device", network.name);
            return Err(NetworkError::BadBridge(why));
        };
        let addresses = settings::host_addresses(network);
        if network.foreign_bridge {
            if network.name == defaults::BRIDGE {
                return bridge::existing(socket, name).map(|(index, _)| index);
            }
            return bridge::adopt(socket, name, &addresses);
        }
        let four = network.subnet(Family::V4).unwrap_or(first);
        let spec = bridge::Wanted {
            name,
            identity: four.net.addr(),
            addresses: &addresses,
            mtu: settings::mtu(network, &self.config),
        };
        if network.ipv6 && bridge::kernel_has_ipv6() {
            bridge::prepare(socket, &spec)?;
            bridge::settle_ipv6(name)?;
        }
        let index = bridge::ensure(socket, &spec)?;
        if self.config.firewall && network.ipv4 {
            bridge::allow_loopback_routing(name)?;
        }
        Ok(index)
    }

    /// Tells the bridge who lives behind a port and how to treat it.
    pub(super) fn settle_port(
        &self,
        socket: &mut Socket,
        network: &NetworkRecord,
        endpoint: &Endpoint,
    ) -> Result<(), NetworkError> {
        let name = names::veth(self.config.engine, &endpoint.id);
        let port = route::link(socket, &name).map_err(NetworkError::Links)?;
        let (Some(port), Some(mac)) = (port, endpoint.mac) else {
            return Ok(());
        };
        let settings = route::PortSettings {
            // Where the bridge runs the IP firewall, a container that reaches itself by a published port
            // is not routed: the frame turns round within the bridge.
            hairpin: !endpoint.ports.is_empty(),
            isolated: !settings::options(network).icc && !bridge::runs_ip_firewall(),
        };
        let messages = [
            route::replace_forwarding_entry(port.index, mac.0),
            route::configure_port(port.index, settings),
        ];
        socket.request(&messages).map_err(NetworkError::Links)
    }

    /// Until the kernel has dealt with a new link's carrier, its port does not forward: a first packet
    /// would be lost and sent again after a second. Asking is what makes it do so; older kernels do it
    /// within a second by themselves.
    pub(super) fn wait_until_operational(
        &self,
        veth: &str,
        bridge: &str,
    ) -> Result<(), NetworkError> {
        let started = Instant::now();
        for name in [veth, bridge] {
            while started.elapsed() < CARRIER_DEADLINE {
                let link =
                    route::link(&mut lock(&self.route), name).map_err(NetworkError::Links)?;
                // An administrator's bridge may be down on purpose.
                if link.is_none_or(|link| link.operational || !link.up) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Marks an endpoint's veth for the teardown thread and stops its frames at once: what still lives in
    /// the namespace must not answer for an address that is given to another.
    pub(super) fn condemn_links(&self, veth: &str) -> Result<(), NetworkError> {
        let mut socket = lock(&self.route);
        let Some(link) = route::link(&mut socket, veth).map_err(NetworkError::Links)? else {
            return Ok(());
        };
        // In this order: a change of the group would wake the port again.
        let group = names::dying_group(self.config.engine);
        socket
            .request(&[route::set_group(veth, group)])
            .map_err(NetworkError::Links)?;
        if link.master.is_some()
            && let Err(error) = socket.request(&[route::block_port(link.index)])
        {
            // A bridge of the administrator's that runs the spanning tree protocol does not allow it.
            tracing::debug!(error = %gantry_errors::chain(&error), "a bridge port stays open until it is deleted");
        }
        Ok(())
    }
}

/// A device that leads nowhere: a dummy, or where the kernel has none a veth pair that nobody uses.
fn make_lonely(socket: &mut Socket, name: &str) -> Result<(), NetworkError> {
    match socket.request(&[route::create_dummy(name)]) {
        Err(error) if error.errno() == Some(rustix::io::Errno::OPNOTSUPP) => {}
        other => return other.map_err(NetworkError::Links),
    }
    let here = namespace::open(Path::new("/proc/thread-self/ns/net"))?;
    let peer = format!("e{}", name.get(1..).unwrap_or_default());
    let mac = |name: &str| {
        let digest = gantry_ids::Digest::of(name.as_bytes());
        let [a, b, c, d, ..] = *digest.as_bytes();
        [0x02, 0x42, a, b, c, d]
    };
    let pair = route::VethSpec {
        name,
        master: 0,
        mtu: settings::MTU,
        peer: route::VethPeer {
            name: &peer,
            mac: mac(&peer),
            namespace: here.as_fd(),
        },
    };
    let made = socket.request(&[route::create_veth(&pair)]);
    made.map_err(NetworkError::Links)?;
    let link = route::link(socket, &peer).map_err(NetworkError::Links)?;
    let up: Vec<_> = link
        .map(|link| route::set_up(link.index))
        .into_iter()
        .collect();
    socket.request(&up).map_err(NetworkError::Links)
}
