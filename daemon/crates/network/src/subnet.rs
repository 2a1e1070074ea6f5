//! Choosing a subnet that collides with nothing the host routes, under a machine-wide lock.

use std::fs::{File, OpenOptions};
use std::path::Path;

use gantry_ids::{Digest, EngineId};
use ipnet::{IpNet, Ipv6Net};
use rustix::fs::{FlockOperation, flock};

use crate::config::AddressPool;
use crate::error::NetworkError;
use crate::store::Family;

/// Docker's own pools: 172.17.0.0/16 to 172.31.0.0/16, then sixteen /20 of 192.168.0.0/16; and where those are taken,
/// 16,384 of 256 addresses each, in the quarter of 10.0.0.0/8 that routers and VPNs give out last (ADR 44).
pub(crate) fn default_pools() -> Vec<AddressPool> {
    let pool = |base: String, size| AddressPool {
        base: base.parse().expect("a literal network"),
        size,
    };
    let mut pools: Vec<_> = (17..=31)
        .map(|n| pool(format!("172.{n}.0.0/16"), 16))
        .collect();
    pools.push(pool("192.168.0.0/16".to_owned(), 20));
    pools.push(pool("10.192.0.0/10".to_owned(), 24));
    pools
}

/// Do two networks share an address?
pub(crate) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// A range of IPv6 addresses that nobody else has (RFC 4193), 65,536 networks of 64 bits: its 40 random
/// bits are those of the machine and the engine, so that it is the same at each start.
pub(crate) fn unique_local_pool(engine: EngineId) -> AddressPool {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let digest = Digest::of(format!("{} {engine}", machine.trim()).as_bytes());
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&digest.as_bytes()[..5]);
    let base = Ipv6Net::new(octets.into(), 48).expect("a literal prefix length");
    AddressPool {
        base: IpNet::V6(base),
        size: 64,
    }
}

/// The first subnet of a family's pools that shares no address with any of `taken`.
pub(crate) fn choose(pools: &[AddressPool], family: Family, taken: &[IpNet]) -> Option<IpNet> {
    let pools = pools
        .iter()
        .filter(|pool| Family::of(pool.base.addr()) == family);
    pools.into_iter().find_map(|pool| {
        let mut candidates = pool
            .base
            .subnets(pool.size.max(pool.base.prefix_len()))
            .ok()?;
        candidates.find(|candidate| !taken.iter().any(|t| overlap(*t, *candidate)))
    })
}

/// Held while a subnet is chosen and until the kernel routes it, so that two engines that start at
/// once do not choose the same. Let go when dropped, also by a daemon that is killed.
#[derive(Debug)]
pub(crate) struct MachineLock {
    _file: File,
}

impl MachineLock {
    pub(crate) fn acquire(path: &Path) -> Result<Self, NetworkError> {
        let failed = |step| {
            move |source| NetworkError::File {
                step,
                path: path.to_owned(),
                source,
            }
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        }
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(failed("open"))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| failed("lock")(errno.into()))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_pool_that_nothing_touches_is_taken() {
        let pools = default_pools();
        let chosen =
            |taken: &[&str]| choose(&pools, Family::V4, &nets(taken)).map(|n| n.to_string());
        assert_eq!(chosen(&[]).as_deref(), Some("172.17.0.0/16"));
        assert_eq!(
            chosen(&["172.17.0.0/16", "172.18.5.0/24"]).as_deref(),
            Some("172.19.0.0/16")
        );
        assert_eq!(
            chosen(&["172.16.0.0/12"]).as_deref(),
            Some("192.168.0.0/20")
        );
        assert_eq!(
            chosen(&["172.16.0.0/12", "192.168.1.0/24"]).as_deref(),
            Some("192.168.16.0/20")
        );
        assert_eq!(
            chosen(&["172.16.0.0/12", "192.168.0.0/16", "10.192.0.0/24"]).as_deref(),
            Some("10.192.1.0/24")
        );
        assert_eq!(
            chosen(&["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]),
            None
        );
    }

    #[test]
    fn there_are_subnets_for_more_networks_than_docker_has() {
        let pools = default_pools();
        let mut taken: Vec<IpNet> = Vec::new();
        for n in 0..100 {
            let chosen = choose(&pools, Family::V4, &taken);
            let chosen = chosen.unwrap_or_else(|| panic!("none after {n}"));
            assert!(!taken.iter().any(|other| overlap(*other, chosen)));
            taken.push(chosen);
        }
        // The first of them are those that people know.
        assert_eq!(taken[30], "192.168.240.0/20".parse().unwrap());
    }

    #[test]
    fn pools_given_by_hand_are_cut_to_size() {
        let pools = [AddressPool {
            base: "10.20.0.0/22".parse().unwrap(),
            size: 24,
        }];
        assert_eq!(
            choose(&pools, Family::V4, &nets(&["10.20.0.0/24"])),
            Some("10.20.1.0/24".parse().unwrap())
        );
        assert_eq!(choose(&pools, Family::V4, &nets(&["10.20.0.0/22"])), None);
    }

    #[test]
    fn networks_of_ipv6_come_out_of_a_range_of_the_engines_own() {
        let engine = |root: &str| EngineId::of_data_root(Path::new(root));
        let pool = unique_local_pool(engine("/a"));
        assert_eq!(pool, unique_local_pool(engine("/a")));
        assert_ne!(pool, unique_local_pool(engine("/b")));
        let mut pools = default_pools();
        pools.push(pool);
        let first = choose(&pools, Family::V6, &[]).unwrap();
        assert_eq!(
            (first.prefix_len(), first.network()),
            (64, pool.base.network())
        );
        let second = choose(&pools, Family::V6, &[first]).unwrap();
        assert!(!overlap(first, second) && pool.base.contains(&second));
    }
}
