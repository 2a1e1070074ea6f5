use proptest::prelude::*;

use super::*;

/// `id 0x1234, RD, one question`.
pub(crate) fn query(name: &str, kind: u16, extended: Option<u16>) -> Vec<u8> {
    let additional = u8::from(extended.is_some());
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
    message.extend(encode_name(name).unwrap());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    if let Some(size) = extended {
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&size.to_be_bytes());
        message.extend_from_slice(&[0; 6]);
    }
    message
}

#[test]
fn a_query_is_read_and_answered() {
    let query = Query::parse(&query("Web.MyNet", 1, None)).unwrap();
    assert_eq!((query.name.as_str(), query.kind), ("web.mynet", Kind::A));
    assert_eq!((query.id(), query.udp_limit()), (0x1234, 512));
    let answer = query.reply_addresses(&[std::net::Ipv4Addr::new(172, 18, 0, 2)], 512);
    assert_eq!(
        &answer[..12],
        [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]
    );
    assert_eq!(
        &answer[answer.len() - 16..],
        [0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 172, 18, 0, 2]
    );
    assert!(query.is_answered_by(0x1234, &answer) && !query.is_answered_by(1, &answer));
    assert!(!query.is_answered_by(0x1234, &answer[..20]));
}

#[test]
fn long_answers_are_cut_and_the_client_is_told() {
    let addresses: Vec<_> = (0..=255)
        .map(|n| std::net::Ipv4Addr::new(10, 0, 0, n))
        .collect();
    let plain = Query::parse(&query("a", 1, None)).unwrap();
    let answer = plain.reply_addresses(&addresses, plain.udp_limit());
    assert!(answer.len() <= 512 && answer[2] & TC != 0);
    let extended = Query::parse(&query("a", 1, Some(4096))).unwrap();
    let answer = extended.reply_addresses(&addresses, extended.udp_limit());
    assert!(
        answer.len() <= 4096 && answer[2] & TC != 0,
        "256 records of 16 bytes are too many"
    );
    assert_eq!(answer[11], 1, "an OPT record answers an OPT record");
    let whole = extended.reply_addresses(&addresses, usize::from(u16::MAX));
    assert_eq!((whole[2] & TC, whole[7]), (0, 0));
    assert_eq!(whole[6], 1);
}

#[test]
fn names_are_given_for_addresses() {
    let query = Query::parse(&query("2.0.18.172.in-addr.arpa", 12, None)).unwrap();
    assert_eq!(query.kind, Kind::Ptr);
    let answer = query.reply_name("web.mynet", 512);
    assert!(answer.ends_with(b"\x03web\x05mynet\x00"));
    let unnameable = query.reply_name(&"x".repeat(64), 512);
    assert_eq!(unnameable[7], 0);
}

#[test]
fn what_is_no_query_is_refused_or_dropped() {
    let refusal = |message: &[u8]| match Query::parse(message) {
        Err(NotAQuery::Refuse(answer)) => Some(answer[3] & 0x0f),
        Err(NotAQuery::Drop) => None,
        Ok(query) => panic!("{query:?}"),
    };
    let good = query("a", 1, None);
    assert_eq!(refusal(&good[..11]), None);
    let with = |index: usize, byte: u8| {
        let mut message = good.clone();
        message[index] = byte;
        message
    };
    assert_eq!(refusal(&with(2, 0x81)), None, "an answer");
    assert_eq!(refusal(&with(2, 0x08)), Some(4), "another operation");
    assert_eq!(refusal(&with(5, 2)), Some(1), "two questions");
    assert_eq!(refusal(&with(12, 0xc0)), Some(1), "compression");
    assert_eq!(refusal(&with(11, 1)), Some(1), "a record that is not there");
    assert_eq!(refusal(&with(good.len() - 1, 3)), Some(4), "another class");
    assert_eq!(refusal(&good[..good.len() - 1]), Some(1));
    assert_eq!(
        Query::parse(&query(r"a", 65, None)).unwrap().kind,
        Kind::Other(65)
    );
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(query) = Query::parse(&bytes) {
            let answer = query.reply_addresses(&[std::net::Ipv4Addr::LOCALHOST; 300], query.udp_limit());
            prop_assert!(answer.len() <= 4096);
            prop_assert!(query.is_answered_by(query.id(), &answer));
        }
    }

    #[test]
    fn a_broken_query_is_never_answered_with_records(cut in 0_usize..40, flip in 0_usize..40, byte in any::<u8>()) {
        let mut message = query("web.mynet", 1, Some(1232));
        let index = flip % message.len();
        message[index] = byte;
        message.truncate(message.len().saturating_sub(cut));
        if let Err(NotAQuery::Refuse(answer)) = Query::parse(&message) {
            prop_assert_eq!(answer.len(), HEADER);
        }
    }
}
