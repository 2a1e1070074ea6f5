use super::*;
use proptest::prelude::*;

fn datagram(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let message = Message::new(kind, flags, "test", &[]);
    let mut message = Message { flags, ..message };
    message.body = body.to_vec();
    message.encode(7, 0, &mut bytes);
    bytes
}

fn one(datagram: &[u8]) -> Result<(u32, Answer<'_>), Malformed> {
    let mut all = answers(datagram);
    let first = all.next().unwrap();
    assert!(all.next().is_none());
    first
}

#[test]
fn a_zero_error_is_an_acknowledgement() {
    let bytes = datagram(NLMSG_ERROR, 0, &[0; 20]);
    assert_eq!(one(&bytes), Ok((7, Answer::Done)));
}

#[test]
fn a_refusal_carries_the_kernels_words() {
    let mut words = Attributes::new();
    words.string(ERROR_ATTRIBUTE_TEXT, "Interface is not a bridge");
    let mut body = (-22_i32).to_ne_bytes().to_vec();
    body.extend_from_slice(&[0; HEADER]);
    body.extend_from_slice(words.as_bytes());
    let bytes = datagram(NLMSG_ERROR, CAPPED | ACK_TLVS, &body);
    let message = Some("Interface is not a bridge".to_owned());
    assert_eq!(
        one(&bytes),
        Ok((
            7,
            Answer::Refused(Refusal {
                errno: Errno::INVAL,
                message
            })
        ))
    );
}

#[test]
fn an_error_number_out_of_range_is_malformed() {
    for code in [1_i32, i32::MIN, -4096] {
        let bytes = datagram(NLMSG_ERROR, 0, &code.to_ne_bytes());
        assert_eq!(one(&bytes), Err(Malformed("error number")));
    }
}

#[test]
fn the_end_of_a_failed_list_is_a_refusal() {
    let bytes = datagram(NLMSG_DONE, 0, &(-95_i32).to_ne_bytes());
    let refusal = Refusal {
        errno: Errno::OPNOTSUPP,
        message: None,
    };
    assert_eq!(one(&bytes), Ok((7, Answer::Refused(refusal))));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_or_run_on(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let read = answers(&bytes).count();
        prop_assert!(read <= bytes.len() / HEADER + 1);
        let read = attributes(&bytes).count();
        prop_assert!(read <= bytes.len() / 4 + 1);
    }

    #[test]
    fn lengths_that_lie_are_found(claimed in any::<u32>(), body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = datagram(99, 0, &body);
        bytes[..4].copy_from_slice(&claimed.to_ne_bytes());
        for (_, answer) in answers(&bytes).map_while(Result::ok) {
            if let Answer::Object { body, .. } = answer {
                prop_assert!(body.len() <= bytes.len() - HEADER);
            }
        }
    }
}
