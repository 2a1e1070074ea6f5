//! Who can reach published ports: the host's addresses, asked of the kernel now and then.

use std::time::{Duration, Instant};

use gantry_netlink::{Protocol, Socket, route};

use super::{Networks, lock};
use crate::endpoint::Endpoint;
use crate::port::PublishedPort;
use crate::reach::Audience;
use crate::store::Family;

/// How long what the kernel said is believed: a list of many containers asks once.
const FRESH: Duration = Duration::from_secs(2);

/// Who reaches every address of the host, of IPv4 and IPv6, and since when that is known.
pub(super) type HostReach = (Instant, [Audience; 2]);

impl Networks {
    /// Who can reach a port that an endpoint publishes.
    #[must_use]
    pub fn reach(&self, endpoint: &Endpoint, port: &PublishedPort) -> Audience {
        let family = Family::of(port.host_ip);
        // Of no port of the host: the container's own address is what others ask.
        if let Some(own) = endpoint.address(family).filter(|_| port.host_port == 0) {
            return Audience::of_address(own);
        }
        if !port.host_ip.is_unspecified() {
            return Audience::of_address(port.host_ip);
        }
        let [four, six] = self.host_reach();
        match family {
            Family::V4 => four,
            Family::V6 => six,
        }
    }

    fn host_reach(&self) -> [Audience; 2] {
        let mut known = lock(&self.host_reach);
        if let Some((_, reach)) = known.filter(|(since, _)| since.elapsed() < FRESH) {
            return reach;
        }
        let asked = Socket::open(Protocol::Route).and_then(|mut s| route::addresses(&mut s));
        let addresses = asked.unwrap_or_else(|error| {
            tracing::debug!(error = %gantry_errors::chain(&error), "the host's addresses are not known");
            Vec::new()
        });
        let of = |is_v4| Audience::of_all(addresses.iter().map(|address| address.ip), is_v4);
        let reach = [of(true), of(false)];
        *known = Some((Instant::now(), reach));
        reach
    }
}
