//! From a query and what the container may ask to an answer. Pure.
//!
//! As in dockerd, `a.b.c` is looked for as a name of any network of the container, then as `a.b` in
//! network `c`, then as `a` in network `b.c`; first among what the container itself calls others
//! (`--link`), then among the names of the network. Names of other networks are not known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::message::{Kind, Query, Rcode};
use crate::table::{Membership, NetworkNames};

/// A network that the container is on, with what it knows.
#[derive(Clone, Debug)]
pub struct Reachable<'a> {
    /// The container's own view of it.
    pub membership: &'a Membership,
    /// Its names.
    pub names: Arc<NetworkNames>,
}

/// What becomes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This is the answer.
    Reply(Vec<u8>),
    /// No network of the container knows.
    Unknown,
}

/// Answers what the networks know. `turn` says which of several addresses comes first; `limit` is the
/// longest answer, in bytes.
#[must_use]
pub fn decide(query: &Query, networks: &[Reachable<'_>], turn: usize, limit: usize) -> Decision {
    if query.kind == Kind::Ptr {
        return by_address(query, networks, limit);
    }
    let Some(addresses) = find(&query.name, networks) else {
        return Decision::Unknown;
    };
    // A name that is known has no other records than its addresses: nobody else is asked for them.
    Decision::Reply(match query.kind {
        Kind::A | Kind::Aaaa => query.reply_addresses(&turned(addresses, turn), limit),
        Kind::Ptr | Kind::Other(_) => query.reply(Rcode::NoError),
    })
}

fn find<'a>(name: &str, networks: &'a [Reachable<'_>]) -> Option<&'a [IpAddr]> {
    let whole = std::iter::once((name, None));
    let parts = name
        .rmatch_indices('.')
        .map(|(dot, _)| (&name[..dot], Some(&name[dot + 1..])));
    whole
        .chain(parts)
        .find_map(|(name, network)| find_in(name, network, networks))
}

fn find_in<'a>(
    name: &str,
    network: Option<&str>,
    networks: &'a [Reachable<'_>],
) -> Option<&'a [IpAddr]> {
    let asked = || {
        networks.iter().filter(move |n| {
            network.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&n.names.network))
        })
    };
    let known = |n: &'a Reachable<'_>, name: &str| n.names.names.get(name).map(Vec::as_slice);
    asked()
        .find_map(|n| known(n, n.membership.links.get(name)?))
        .or_else(|| asked().find_map(|n| known(n, name)))
}

/// Beginning with another one each time.
fn turned(addresses: &[IpAddr], turn: usize) -> Vec<IpAddr> {
    let mut turned = addresses.to_vec();
    turned.rotate_left(turn % addresses.len().max(1));
    turned
}

fn by_address(query: &Query, networks: &[Reachable<'_>], limit: usize) -> Decision {
    let found = address_of(&query.name).and_then(|address| {
        networks.iter().find_map(|n| {
            let host = n.names.hosts.get(&address)?;
            Some(format!("{host}.{}", n.names.network))
        })
    });
    match found {
        Some(name) => Decision::Reply(query.reply_name(&name, limit)),
        None => Decision::Unknown,
    }
}

/// `2.0.18.172.in-addr.arpa` (RFC 1035 section 3.5).
fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".ip6.arpa") {
        return address_of_digits(digits).map(IpAddr::V6);
    }
    let reversed: Ipv4Addr = name.strip_suffix(".in-addr.arpa")?.parse().ok()?;
    let [a, b, c, d] = reversed.octets();
    Some(IpAddr::from([d, c, b, a]))
}

/// 32 hexadecimal digits, the last first, with dots between them (RFC 3596, 2.5).
fn address_of_digits(digits: &str) -> Option<Ipv6Addr> {
    let mut address = 0_u128;
    let mut count = 0_u32;
    for digit in digits.rsplit('.') {
        let mut letters = digit.chars();
        let value = letters.next()?.to_digit(16)?;
        if letters.next().is_some() || count == 32 {
            return None;
        }
        address = address << 4 | u128::from(value);
        count += 1;
    }
    (count == 32).then(|| address.into())
}

#[cfg(test)]
mod tests;
