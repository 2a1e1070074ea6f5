//! Who can reach a published port, as far as the host's addresses tell.
//!
//! A port on every address of the host is reached by whoever reaches the farthest of them. What routers
//! beyond the host let through, and what the host's firewall takes away, is not known here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The farthest who can reach something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Processes of the host, and nobody else.
    Local,
    /// Machines of the host's own networks: its address is no public one.
    Lan,
    /// Anybody: the address is public.
    World,
}

impl Audience {
    /// `local`, `lan` or `world`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Lan => "lan",
            Self::World => "world",
        }
    }

    /// Who reaches an address of the host, or of a container whose own address others route to.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Local,
            IpAddr::V4(address) if is_inner(address) => Self::Lan,
            IpAddr::V6(address) if is_inner_v6(address) => Self::Lan,
            IpAddr::V4(_) | IpAddr::V6(_) => Self::World,
        }
    }

    /// Who reaches all addresses of a family of a host that has these.
    pub(crate) fn of_all(addresses: impl Iterator<Item = IpAddr>, is_v4: bool) -> Self {
        let own = addresses.filter(|address| address.is_ipv4() == is_v4);
        own.map(Self::of_address).max().unwrap_or(Self::Local)
    }
}

/// RFC 1918, 3927, 5737, 6598 and 2544.
fn is_inner(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    let special = address.is_unspecified() || address.is_documentation();
    address.is_private() || address.is_link_local() || special || shared || benchmark
}

/// RFC 4193, 4291 and 3849.
fn is_inner_v6(address: Ipv6Addr) -> bool {
    let documentation = address.segments()[..2] == [0x2001, 0xdb8];
    let special = address.is_unspecified() || documentation;
    address.is_unique_local() || address.is_unicast_link_local() || special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Audience {
        Audience::of_address(address.parse().unwrap())
    }

    #[test]
    fn an_address_says_who_reaches_it() {
        for local in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(of(local), Audience::Local, "{local}");
        }
        for lan in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(of(lan), Audience::Lan, "{lan}");
        }
        for world in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00::1"] {
            assert_eq!(of(world), Audience::World, "{world}");
        }
    }

    #[test]
    fn every_address_is_as_far_as_the_farthest_of_its_family() {
        let host = ["127.0.0.1", "10.0.0.1", "::1", "2a00::1"];
        let all = |is_v4| Audience::of_all(host.iter().map(|text| text.parse().unwrap()), is_v4);
        assert_eq!((all(true), all(false)), (Audience::Lan, Audience::World));
        assert_eq!(Audience::of_all(std::iter::empty(), true), Audience::Local);
    }
}
