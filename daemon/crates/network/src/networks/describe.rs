//! Networks in the terms of `network inspect`.

use std::time::{Duration, UNIX_EPOCH};

use ipnet::Ipv4Net;

use super::{Network, Networks, State};
use crate::info::{EndpointInfo, IpamInfo, NetworkInfo};

impl Networks {
    pub(super) fn describe(&self, state: &State, network: &Network) -> NetworkInfo {
        let record = &network.record;
        let subnet = record.subnet.map(|subnet| IpamInfo {
            subnet: subnet.trunc(),
            ip_range: record.ip_range,
            // As dockerd: a gateway that was found for a user's subnet is not told.
            gateway: record
                .gateway
                .or((!record.user_subnet).then(|| subnet.addr()))
                .filter(|gateway| *gateway != subnet.network()),
            reserved: record.reserved.clone(),
        });
        NetworkInfo {
            id: record.id.clone(),
            name: record.name.clone(),
            driver: record.driver.clone(),
            created: UNIX_EPOCH + Duration::from_nanos(record.created_ns),
            internal: record.internal,
            attachable: record.attachable,
            user_subnet: record.user_subnet,
            ipv4: true,
            ipv6: false,
            ipam: subnet.into_iter().collect(),
            ipam_options: record.ipam_options.clone(),
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
        })
        .collect()
}
