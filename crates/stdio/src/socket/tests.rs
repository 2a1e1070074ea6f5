use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::message::{Attach, Ended};

fn fetch(name: &str) -> Request {
    Request::Fetch { name: name.into() }
}

#[test]
fn a_request_and_its_descriptor_arrive_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let listener = Listener::bind(&path).unwrap();
    let client = Connection::connect(&path).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"through the socket").unwrap();
    file.rewind().unwrap();
    client
        .send_request(&Request::Park { name: "n".into() }, Some(file.as_fd()))
        .unwrap();

    let server = listener.accept().unwrap();
    let (request, descriptor) = server.recv_request().unwrap().unwrap();
    assert_eq!(request, Request::Park { name: "n".into() });
    let mut text = String::new();
    File::from(descriptor.unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "through the socket");

    server
        .send_answer(&Answer::Ended(Ended::Client), None)
        .unwrap();
    let (answer, descriptor) = client.recv_answer().unwrap().unwrap();
    assert_eq!(answer, Answer::Ended(Ended::Client));
    assert!(descriptor.is_none());
    drop(server);
    assert!(client.recv_answer().unwrap().is_none());
}

#[test]
fn a_path_longer_than_an_address_can_be_bound_and_reached_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    let path = deep.join("s.sock");
    drop(Listener::bind(&path).unwrap());
    let listener = Listener::bind(&path).expect("a dead process's socket is replaced");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let client = Connection::connect(&path).unwrap();
    client.send_request(&fetch("x"), None).unwrap();
    let server = listener.accept().unwrap();
    assert_eq!(server.recv_request().unwrap().unwrap().0, fetch("x"));
}

#[test]
fn nothing_there_is_told_apart_from_nothing_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    assert!(matches!(
        Connection::connect(&path),
        Err(SocketError::Connect { .. })
    ));
    let listener = Listener::bind(&path).unwrap();
    assert!(listener.accept().unwrap_err().would_block());
    let _client = Connection::connect(&path).unwrap();
    let server = listener.accept().unwrap();
    assert!(server.recv_request().unwrap_err().would_block());
}

#[test]
fn garbage_and_oversized_messages_are_errors_not_panics() {
    let (a, b) = Connection::pair().unwrap();
    rustix::net::send(&a, b"{\"op\":", SendFlags::empty()).unwrap();
    assert!(matches!(b.recv_request(), Err(SocketError::Malformed(_))));
    rustix::net::send(&a, &vec![b' '; MESSAGE_LIMIT + 1], SendFlags::empty()).unwrap();
    assert!(matches!(b.recv_request(), Err(SocketError::TooLong(_))));
    let request = Request::Attach(Attach {
        prefix: vec![0; MESSAGE_LIMIT],
        ..Attach::default()
    });
    assert!(matches!(
        a.send_request(&request, None),
        Err(SocketError::TooLong(_))
    ));
}
