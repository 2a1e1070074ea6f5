//! A datagram of any bytes as a container sends it to its name server.
#![no_main]

use gantry_resolver::answer::{Decision, Reachable, decide};
use gantry_resolver::message::{NotAQuery, Query};
use gantry_resolver::table::{ContainerNames, Membership, NetworkNames};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut names = NetworkNames::default();
    names.add(&["a".to_owned(), "b".to_owned()], [10, 0, 0, 1].into());
    let membership = Membership::default();
    let networks = [Reachable {
        membership: &membership,
        names: names.into(),
    }];
    match Query::parse(bytes) {
        Ok(query) => {
            let limit = query.udp_limit();
            if let Decision::Reply(answer) = decide(&query, &networks, 1, limit) {
                assert!(answer.len() <= limit);
                assert!(query.is_answered_by(query.id(), &answer));
            }
        }
        Err(NotAQuery::Refuse(answer)) => assert_eq!(answer.len(), 12),
        Err(NotAQuery::Drop) => {}
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = NetworkNames::decode(text);
        let _ = ContainerNames::decode(text);
    }
});
