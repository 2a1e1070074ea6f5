use std::collections::BTreeMap;

use super::*;
use crate::message::tests::query;

const WEB: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 3);

fn network(name: &str, hosts: &[(&[&str], Ipv4Addr)]) -> Arc<NetworkNames> {
    let mut names = NetworkNames {
        network: name.to_owned(),
        ..NetworkNames::default()
    };
    for (called, address) in hosts {
        let called: Vec<_> = called.iter().map(|n| (*n).to_owned()).collect();
        names.add(&called, *address);
    }
    Arc::new(names)
}

fn ask(name: &str, kind: u16, networks: &[Reachable<'_>], turn: usize) -> Option<Vec<u8>> {
    let query = Query::parse(&query(name, kind, None)).unwrap();
    match decide(&query, networks, turn, 512) {
        Decision::Reply(answer) => Some(answer),
        Decision::Unknown => None,
    }
}

/// The addresses in an answer, by its last four bytes a record.
fn addresses(answer: &[u8]) -> Vec<Ipv4Addr> {
    let count = usize::from(answer[7]);
    let records = &answer[answer.len() - 16 * count..];
    let octets = records.chunks(16).map(|r| [r[12], r[13], r[14], r[15]]);
    octets.map(Ipv4Addr::from).collect()
}

#[test]
fn names_are_found_in_every_form_and_only_in_networks_of_ones_own() {
    let names = network("my.net", &[(&["web", "Alias", "0123456789ab"], WEB)]);
    let membership = Membership {
        links: BTreeMap::from([("link".to_owned(), "web".to_owned())]),
        ..Membership::default()
    };
    let networks = [Reachable {
        membership: &membership,
        names,
    }];
    for name in [
        "web",
        "WEB",
        "alias",
        "0123456789ab",
        "web.my.net",
        "link",
        "link.my.net",
    ] {
        let answer = ask(name, 1, &networks, 0).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(addresses(&answer), [WEB], "{name}");
    }
    for name in ["db", "web.other", "web.net", "x.web", ""] {
        let query =
            Query::parse(&query(if name.is_empty() { "x" } else { name }, 1, None)).unwrap();
        assert_eq!(
            decide(&query, &networks, 0, 512),
            Decision::Unknown,
            "{name}"
        );
    }
}

#[test]
fn several_containers_of_one_name_take_turns() {
    let names = network("n", &[(&["a", "svc"], WEB), (&["b", "svc"], OTHER)]);
    let membership = Membership::default();
    let networks = [Reachable {
        membership: &membership,
        names,
    }];
    let first = |turn| addresses(&ask("svc", 1, &networks, turn).unwrap())[0];
    assert_eq!([first(0), first(1), first(2)], [WEB, OTHER, WEB]);
}

#[test]
fn a_known_name_has_nothing_but_ipv4_addresses() {
    let names = network("n", &[(&["web"], WEB)]);
    let membership = Membership::default();
    let networks = [Reachable {
        membership: &membership,
        names,
    }];
    for kind in [28, 15, 33, 65] {
        let answer = ask("web", kind, &networks, 0).unwrap();
        assert_eq!(
            (answer[3] & 0x0f, answer[7]),
            (0, 0),
            "no error, no records"
        );
    }
    let answer = ask("2.0.18.172.in-addr.arpa", 12, &networks, 0).unwrap();
    assert!(answer.ends_with(b"\x03web\x01n\x00"));
    assert_eq!(ask("9.0.18.172.in-addr.arpa", 12, &networks, 0), None);
    assert_eq!(ask("web", 12, &networks, 0), None);
}

#[test]
fn names_have_addresses_of_both_families_and_addresses_of_both_have_names() {
    let mut names = NetworkNames {
        network: "net".to_owned(),
        ..NetworkNames::default()
    };
    let six: Ipv6Addr = "fd00::2".parse().unwrap();
    names.add(&["web".to_owned()], WEB);
    names.add(&["web".to_owned()], six);
    names.add(&["old".to_owned()], OTHER);
    let networks = [Reachable {
        membership: &Membership::default(),
        names: Arc::new(names),
    }];
    assert_eq!(addresses(&ask("web", 1, &networks, 0).unwrap()), [WEB]);
    let answer = ask("web", 28, &networks, 0).unwrap();
    assert_eq!(answer[7], 1);
    assert!(answer.ends_with(&six.octets()));
    let none = ask("old", 28, &networks, 0).unwrap();
    assert_eq!(
        (none[3] & 0x0f, none[7]),
        (0, 0),
        "known, without such a record"
    );
    let reversed = format!("2.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
    assert_eq!(ask(&reversed, 12, &networks, 0).unwrap()[7], 1);
    for wrong in ["2.ip6.arpa", "ip6.arpa", "x.ip6.arpa"] {
        assert_eq!(ask(wrong, 12, &networks, 0), None, "{wrong}");
    }
}
