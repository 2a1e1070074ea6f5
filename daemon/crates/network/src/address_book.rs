//! Which addresses of one network are given out. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// The addresses of a network that containers may have.
#[derive(Clone, Debug)]
pub(crate) struct AddressBook {
    subnet: IpNet,
    /// Where addresses that nobody asked for come from.
    range: IpNet,
    taken: BTreeSet<IpAddr>,
}

/// Why an address cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    Full,
    Taken,
    Outside,
}

impl AddressBook {
    /// A book of `subnet`, giving addresses of `range` (or the whole), never those in `reserved`.
    pub(crate) fn new(
        subnet: IpNet,
        range: Option<IpNet>,
        reserved: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let mut taken: BTreeSet<_> = reserved.into_iter().collect();
        match subnet {
            IpNet::V4(net) if net.prefix_len() < 31 => {
                taken.extend([net.network(), net.broadcast()].map(IpAddr::V4));
            }
            // The address of all routers (RFC 4291, 2.6.1).
            IpNet::V6(net) if net.prefix_len() < 127 => drop(taken.insert(net.network().into())),
            _ => {}
        }
        Self {
            subnet: subnet.trunc(),
            range: range.unwrap_or(subnet).trunc(),
            taken,
        }
    }

    /// The network that addresses are of.
    pub(crate) fn subnet(&self) -> IpNet {
        self.subnet
    }

    /// The lowest free address, as dockerd gives them: a container that comes back finds its own.
    pub(crate) fn lease_any(&mut self) -> Result<IpAddr, Unavailable> {
        let mut candidate = self.range.network();
        for taken in self
            .taken
            .range(self.range.network()..=self.range.broadcast())
        {
            if *taken != candidate {
                break;
            }
            candidate = after(candidate).ok_or(Unavailable::Full)?;
        }
        if !self.range.contains(&candidate) {
            return Err(Unavailable::Full);
        }
        self.taken.insert(candidate);
        Ok(candidate)
    }

    /// This very address.
    pub(crate) fn lease(&mut self, address: IpAddr) -> Result<(), Unavailable> {
        if !self.subnet.contains(&address) {
            Err(Unavailable::Outside)
        } else if self.taken.insert(address) {
            Ok(())
        } else {
            Err(Unavailable::Taken)
        }
    }

    pub(crate) fn release(&mut self, address: IpAddr) {
        self.taken.remove(&address);
    }
}

/// The next higher address.
fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address)
            .checked_add(1)
            .map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(address) => u128::from(address)
            .checked_add(1)
            .map(|next| IpAddr::V6(next.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn book(subnet: &str, range: Option<&str>, gateway: &str) -> AddressBook {
        AddressBook::new(
            subnet.parse().unwrap(),
            range.map(|r| r.parse().unwrap()),
            [gateway.parse().unwrap()],
        )
    }

    #[test]
    fn the_first_free_address_is_given_and_comes_back() {
        let mut book = book("172.17.0.0/16", None, "172.17.0.1");
        let first = book.lease_any().unwrap();
        assert_eq!(first, IpAddr::from([172, 17, 0, 2]));
        assert_eq!(book.lease_any(), Ok(IpAddr::from([172, 17, 0, 3])));
        book.release(first);
        assert_eq!(book.lease_any(), Ok(first));
    }

    #[test]
    fn a_full_network_says_so() {
        let mut small = book("10.0.0.0/29", None, "10.0.0.1");
        for last in 2..=6 {
            assert_eq!(small.lease_any(), Ok(IpAddr::from([10, 0, 0, last])));
        }
        assert_eq!(small.lease_any(), Err(Unavailable::Full));
        let mut top = book("255.255.255.248/29", None, "255.255.255.249");
        while top.lease_any().is_ok() {}
        assert_eq!(top.lease_any(), Err(Unavailable::Full));
    }

    #[test]
    fn a_range_narrows_what_is_given_but_not_what_may_be_asked_for() {
        let mut book = book("10.0.0.0/24", Some("10.0.0.128/30"), "10.0.0.1");
        assert_eq!(book.lease_any(), Ok(IpAddr::from([10, 0, 0, 128])));
        assert_eq!(book.lease(IpAddr::from([10, 0, 0, 7])), Ok(()));
        assert_eq!(
            book.lease(IpAddr::from([10, 0, 0, 7])),
            Err(Unavailable::Taken)
        );
        assert_eq!(
            book.lease(IpAddr::from([10, 0, 0, 1])),
            Err(Unavailable::Taken)
        );
        assert_eq!(
            book.lease(IpAddr::from([10, 0, 1, 7])),
            Err(Unavailable::Outside)
        );
    }

    proptest! {
        #[test]
        fn no_address_is_given_twice(steps in proptest::collection::vec(any::<Option<u8>>(), 0..200)) {
            let mut book = book("10.0.0.0/26", None, "10.0.0.1");
            let mut held = BTreeSet::new();
            for step in steps {
                match step {
                    None => match book.lease_any() {
                        Ok(address) => prop_assert!(held.insert(address)),
                        Err(_) => prop_assert_eq!(held.len(), 61),
                    },
                    Some(pick) => if let Some(address) = held.iter().nth(usize::from(pick) % 64).copied() {
                        held.remove(&address);
                        book.release(address);
                    },
                }
            }
        }
    }
}
