//! The client against a service that a thread plays, over a real socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use super::wire::{FIXED_BYTES, Message, Method, Writer};
use super::{Bus, BusError, Kind};

const METHOD: Method<'static> = Method {
    destination: Some("org.example"),
    path: "/org/example",
    interface: "org.example.Service",
    member: "Do",
};

/// A service that believes everybody, hears one call and answers with these bytes.
fn service(
    answer: impl FnOnce(&Message) -> Vec<u8> + Send + 'static,
) -> (UnixStream, JoinHandle<()>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let played = std::thread::spawn(move || {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            theirs.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        assert!(line.starts_with(b"\0AUTH EXTERNAL "));
        theirs.write_all(b"OK 0123\r\n").unwrap();
        let mut begin = [0; 7];
        theirs.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"BEGIN\r\n");
        let mut fixed = [0; FIXED_BYTES];
        theirs.read_exact(&mut fixed).unwrap();
        let mut bytes = fixed.to_vec();
        bytes.resize(Message::length(&fixed).unwrap(), 0);
        theirs.read_exact(&mut bytes[FIXED_BYTES..]).unwrap();
        let call = Message::parse(&bytes).unwrap();
        theirs.write_all(&answer(&call)).unwrap();
    });
    (ours, played)
}

/// A message of this kind, made from a call's bytes: the answer's serial stands in a field of its own.
fn answer(kind: u8, error: Option<&str>, signature: &str, body: Writer) -> Vec<u8> {
    let body = body.into_bytes();
    let mut message = Writer::default();
    let order = if cfg!(target_endian = "little") {
        b'l'
    } else {
        b'B'
    };
    for byte in [order, kind, 0, 1] {
        message.byte(byte);
    }
    message.u32(u32::try_from(body.len()).unwrap());
    message.u32(99);
    message.array(8, |fields| {
        if kind == 4 {
            for (code, text) in [(2, "org.example.Service"), (3, "Done")] {
                fields.align(8);
                fields.byte(code);
                fields.signature("s");
                fields.string(text);
            }
        } else {
            fields.align(8);
            fields.byte(5);
            fields.signature("u");
            fields.u32(1);
        }
        if let Some(name) = error {
            fields.align(8);
            fields.byte(4);
            fields.signature("s");
            fields.string(name);
        }
        fields.align(8);
        fields.byte(8);
        fields.signature("g");
        fields.signature(signature);
    });
    message.align(8);
    let mut bytes = message.into_bytes();
    bytes.extend(body);
    bytes
}

fn text(text: &str) -> Writer {
    let mut body = Writer::default();
    body.string(text);
    body
}

#[test]
fn an_answer_and_a_signal_before_it() {
    let (socket, played) = service(|call| {
        assert_eq!((call.member.as_str(), call.kind), ("Do", Kind::Call));
        [
            answer(4, None, "s", text("job")),
            answer(2, None, "s", text("yes")),
        ]
        .concat()
    });
    let mut bus = Bus::on(socket.into(), false).unwrap();
    let reply = bus.call(METHOD, "s", text("please")).unwrap();
    assert_eq!(reply.body().string().as_deref(), Some("yes"));
    let signal = bus.signal().unwrap();
    assert_eq!(signal.member, "Done");
    assert_eq!(signal.body().string().as_deref(), Some("job"));
    played.join().unwrap();
}

#[test]
fn an_error_is_told_with_its_name() {
    let (socket, played) = service(|_| answer(3, Some("org.example.No"), "s", text("not today")));
    let mut bus = Bus::on(socket.into(), false).unwrap();
    let error = bus.call(METHOD, "", Writer::default()).unwrap_err();
    assert_eq!(error.to_string(), "Do: org.example.No: not today");
    played.join().unwrap();
}

#[test]
fn nonsense_is_an_error() {
    let (socket, played) = service(|_| vec![0xff; 64]);
    let mut bus = Bus::on(socket.into(), false).unwrap();
    let error = bus.call(METHOD, "", Writer::default()).unwrap_err();
    assert!(matches!(error, BusError::Malformed), "{error:?}");
    played.join().unwrap();
}
