//! Networks in the terms of `network inspect`.

use std::time::{Duration, UNIX_EPOCH};

use ipnet::{Ipv4Net, Ipv6Net};

use super::{Network, Networks, State};
use crate::info::{EndpointInfo, IpamInfo, NetworkInfo};
use crate::store::SubnetRecord;

impl Networks {
    pub(super) fn describe(&self, state: &State, network: &Network) -> NetworkInfo {
        let record = &network.record;
        let subnet = |subnet: &SubnetRecord| IpamInfo {
            subnet: subnet.net.trunc(),
            chosen: subnet.chosen,
            ip_range: subnet.ip_range,
            // As dockerd: a gateway that was found for a user's subnet is not told.
            gateway: subnet
                .gateway
                .or((!subnet.chosen).then(|| subnet.net.addr()))
                .filter(|gateway| *gateway != subnet.net.network()),
            reserved: subnet.reserved.clone(),
        };
        NetworkInfo {
            id: record.id.clone(),
            name: record.name.clone(),
            driver: record.driver.clone(),
            created: UNIX_EPOCH + Duration::from_nanos(record.created_ns),
            internal: record.internal,
            attachable: record.attachable,
            ipv4: record.ipv4,
            ipv6: record.ipv6,
            ipam: record.subnets.iter().map(subnet).collect(),
            ipam_options: record.ipam_options.clone(),
            config_only: record.config_only,
            config_from: record.config_from.clone(),
            options: record.options.clone(),
            labels: record.labels.clone(),
            endpoints: endpoints(state, network),
        }
    }
}

fn endpoints(state: &State, network: &Network) -> Vec<EndpointInfo> {
    let held = state
        .containers
        .values()
        .flat_map(|c| &c.endpoints)
        .map(|h| &h.endpoint);
    held.filter(|e| e.network == network.record.id)
        .map(|e| EndpointInfo {
            container: e.container.clone(),
            name: e.container_name.clone(),
            endpoint: e.id.clone(),
            mac: e.mac,
            ipv4: e.ip.and_then(|ip| Ipv4Net::new(ip, e.prefix).ok()),
            ipv6: e.ip6.and_then(|ip| Ipv6Net::new(ip, e.prefix6).ok()),
        })
        .collect()
}
