//! `IPAM.Config`: subnets with range, gateway and kept addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{DefinitionError, Findings, SubnetRequest};

/// A subnet that a user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) subnet: IpNet,
    pub(crate) ip_range: Option<IpNet>,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) reserved: BTreeMap<String, IpAddr>,
}

/// What is wrong with an entry of `IPAM.Config`, in dockerd's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Not `ADDRESS/BITS`.
    #[error("invalid {0} {1}: invalid CIDR block notation")]
    NoBlock(&'static str, String),
    /// Bits are set behind the prefix.
    #[error("invalid {0} {1}: it should be {2}")]
    HostBits(&'static str, String, IpNet),
    /// The range has more addresses than its subnet.
    #[error("invalid ip-range {0}: CIDR block is bigger than its parent subnet {1}")]
    BigRange(IpNet, IpNet),
    /// The range lies elsewhere.
    #[error("invalid ip-range {0}: parent subnet {1} doesn't contain ip-range")]
    ForeignRange(IpNet, IpNet),
    /// Not an address; `gateway …` or `auxiliary address …`.
    #[error("invalid {0}: invalid address")]
    NoAddress(String),
    /// Not an address of the subnet.
    #[error("invalid {0}: parent subnet {1} doesn't contain this address")]
    ForeignAddress(String, IpNet),
}

/// All entries, or everything that is wrong with any.
pub(crate) fn read_pools(requests: &[SubnetRequest]) -> Result<Vec<Pool>, DefinitionError> {
    let mut findings = Vec::new();
    let pools = requests
        .iter()
        .filter_map(|request| read(request, &mut findings))
        .collect();
    if findings.is_empty() {
        Ok(pools)
    } else {
        Err(DefinitionError::Pools(Findings(findings)))
    }
}

fn block(what: &'static str, text: &str) -> Result<IpNet, PoolError> {
    let block: IpNet = text
        .parse()
        .map_err(|_| PoolError::NoBlock(what, text.to_owned()))?;
    if block.addr() == block.network() {
        Ok(block)
    } else {
        Err(PoolError::HostBits(what, text.to_owned(), block.trunc()))
    }
}

fn read(request: &SubnetRequest, findings: &mut Vec<PoolError>) -> Option<Pool> {
    let subnet = block("subnet", &request.subnet)
        .map_err(|error| findings.push(error))
        .ok()?;
    let mut note = |error| findings.push(error);
    let range = (!request.ip_range.is_empty())
        .then(|| {
            range_within(subnet, &request.ip_range)
                .map_err(&mut note)
                .ok()
        })
        .flatten();
    let gateway = (!request.gateway.is_empty())
        .then(|| {
            let what = format!("gateway {}", request.gateway);
            address_within(subnet, &request.gateway, what)
                .map_err(&mut note)
                .ok()
        })
        .flatten();
    let mut reserved = BTreeMap::new();
    for (name, text) in &request.reserved {
        match address_within(subnet, text, format!("auxiliary address {name}")) {
            Ok(address) => drop(reserved.insert(name.clone(), address)),
            Err(error) => note(error),
        }
    }
    Some(Pool {
        subnet,
        ip_range: range,
        gateway,
        reserved,
    })
}

fn range_within(subnet: IpNet, text: &str) -> Result<IpNet, PoolError> {
    let range = block("ip-range", text)?;
    let same_family = range.addr().is_ipv4() == subnet.addr().is_ipv4();
    if same_family && range.prefix_len() < subnet.prefix_len() {
        Err(PoolError::BigRange(range, subnet))
    } else if !subnet.contains(&range.network()) {
        Err(PoolError::ForeignRange(range, subnet))
    } else {
        Ok(range)
    }
}

fn address_within(subnet: IpNet, text: &str, what: String) -> Result<IpAddr, PoolError> {
    match text.parse::<IpAddr>() {
        Err(_) => Err(PoolError::NoAddress(what)),
        Ok(address) if !subnet.contains(&address) => Err(PoolError::ForeignAddress(what, subnet)),
        Ok(address) => Ok(address),
    }
}
