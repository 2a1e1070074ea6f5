//! Attached clients.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use gantry_stdio::frame::{Decoder, Stream};
use gantry_stdio::{Answer, Attach, Connection, Ended, LogPlace, Request, StdioUri};

use crate::shim::{Shim, eventually};

fn output() -> Attach {
    Attach {
        stdout: true,
        stderr: true,
        ..Attach::default()
    }
}

fn both() -> Attach {
    Attach {
        stdin: true,
        ..output()
    }
}

/// Reads to the end on a thread of its own, so that the test's event loop goes on.
async fn read_all(mut stream: UnixStream) -> Vec<u8> {
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    });
    eventually("the stream's end", || reader.is_finished().then_some(())).await;
    reader.join().unwrap()
}

fn ended(connection: &Connection) -> Answer {
    connection.recv_answer().unwrap().unwrap().0
}

#[tokio::test]
async fn who_attaches_before_the_start_misses_nothing_framed_or_raw() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "echo out; echo err >&2"]).await;
    shim.create().await;
    let (control, framed) = shim.attach(Attach {
        framed: true,
        ..output()
    });
    let (_control, raw) = shim.attach(Attach {
        stdout: true,
        ..Attach::default()
    });
    shim.run().await;
    let framed = read_all(framed).await;
    let mut decoder = Decoder::default();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut rest = framed.as_slice();
    while let Some(piece) = decoder.next(&mut rest).unwrap() {
        let stream = if piece.stream == Stream::Stderr {
            &mut err
        } else {
            &mut out
        };
        stream.extend_from_slice(piece.bytes);
    }
    assert_eq!(
        (out.as_slice(), err.as_slice()),
        (b"out\n".as_slice(), b"err\n".as_slice())
    );
    assert_eq!(read_all(raw).await, b"out\n", "only what was asked for");
    assert_eq!(ended(&control), Answer::Ended(Ended::Exited));
    shim.wait("").await;
    shim.finish().await;
}

/// Attaches a client that is held: the connection, the client's stream and where the log ends.
fn hold(shim: &Shim, attach: Attach) -> (Connection, UnixStream, Option<LogPlace>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let connection = Connection::connect(&shim.uri().socket).unwrap();
    let request = Request::Attach(Attach {
        hold: true,
        ..attach
    });
    connection
        .send_request(&request, Some(theirs.as_fd()))
        .unwrap();
    match connection.recv_answer().unwrap().unwrap().0 {
        Answer::Held(place) => (connection, ours, place),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_held_client_gets_what_was_not_logged_yet_and_what_comes_after() {
    let script = "echo one; printf tw; read go; echo o; echo three";
    let mut shim = Shim::start(&["/bin/sh", "-c", script]).await;
    let uri = shim.uri();
    shim.create_with(&uri, true).await;
    let (_first_control, mut first) = shim.attach(both());
    shim.run().await;
    // The log's one line, and the beginning of a second that is in no file yet.
    let mut seen = [0; 6];
    first.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"one\ntw");
    let (control, mut held, place) = hold(&shim, output());
    let (gone, lost, _) = hold(&shim, output());
    let logged = std::fs::metadata(shim.log()).unwrap();
    assert_eq!(
        place,
        Some(LogPlace {
            device: logged.dev(),
            inode: logged.ino(),
            size: logged.len(),
        })
    );
    first.write_all(b"go\n").unwrap();
    assert_eq!(shim.wait("").await, 0);
    held.set_nonblocking(true).unwrap();
    let early = held.read(&mut seen).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock, "it is held");
    held.set_nonblocking(false).unwrap();
    // Whoever comes after the end is held too: the log is complete.
    let (late_control, late, place) = hold(&shim, output());
    assert_eq!(place, None);
    for connection in [&control, &late_control] {
        connection.send_request(&Request::Release, None).unwrap();
    }
    assert_eq!(read_all(held).await, b"two\nthree\n");
    assert_eq!(ended(&control), Answer::Ended(Ended::Exited));
    assert_eq!(read_all(late).await, b"");
    drop(gone);
    assert_eq!(read_all(lost).await, b"", "nobody can tell what came first");
    shim.finish().await;
}

#[tokio::test]
async fn much_input_comes_back_intact_and_a_half_close_ends_it_once() {
    let mut shim = Shim::start(&["/bin/cat"]).await;
    let uri = StdioUri {
        stdin_once: true,
        log: None,
        ..shim.uri()
    };
    shim.create_with(&uri, true).await;
    let sent: Vec<u8> = (0..50_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
    let (_control, mut stream) = shim.attach(Attach {
        prefix: sent[..1000].to_vec(),
        ..both()
    });
    shim.run().await;
    let reader = stream.try_clone().unwrap();
    let text = sent.clone();
    let writer = std::thread::spawn(move || {
        stream.write_all(&text[1000..]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    });
    assert!(read_all(reader).await == sent);
    writer.join().unwrap();
    assert_eq!(shim.wait("").await, 0);
    shim.finish().await;
}

#[tokio::test]
async fn input_that_is_not_for_once_outlives_its_clients() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "read a; read b; echo $a $b"]).await;
    let uri = shim.uri();
    shim.create_with(&uri, true).await;
    shim.run().await;
    for word in ["first\n", "second\n"] {
        let (_control, mut stream) = shim.attach(both());
        stream.write_all(word.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    assert_eq!(shim.wait("").await, 0);
    assert!(
        std::fs::read_to_string(shim.log())
            .unwrap()
            .contains("first second")
    );
    shim.finish().await;
}

#[tokio::test]
async fn detach_keys_end_the_session_and_nothing_else() {
    let mut shim = Shim::start(&["/bin/cat"]).await;
    let uri = StdioUri {
        stdin_once: true,
        ..shim.uri()
    };
    shim.create_with(&uri, true).await;
    shim.run().await;
    let keys = Attach {
        detach_keys: vec![16, 17],
        ..both()
    };
    let (control, mut stream) = shim.attach(keys);
    stream.write_all(b"hello\n\x10").unwrap();
    let mut echo = [0; 6];
    stream.read_exact(&mut echo).unwrap();
    stream.write_all(b"\x11").unwrap();
    assert_eq!(read_all(stream).await, b"");
    assert_eq!(ended(&control), Answer::Ended(Ended::Detached));
    let (_control, mut again) = shim.attach(both());
    again.write_all(b"still here\n").unwrap();
    let mut echo = [0; 11];
    again.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"still here\n");
    again.shutdown(Shutdown::Write).unwrap();
    assert_eq!(shim.wait("").await, 0);
    shim.finish().await;
}

#[tokio::test]
async fn clients_that_never_read_or_die_hold_nobody_up_and_lose_nothing() {
    let mut shim = Shim::start(&["/usr/bin/seq", "2000000"]).await;
    let uri = StdioUri {
        log: None,
        ..shim.uri()
    };
    shim.create_with(&uri, false).await;
    let (_slow_control, slow) = shim.attach(output());
    let (_dead_control, dead) = shim.attach(output());
    let (control, quick) = shim.attach(output());
    drop(dead);
    shim.run().await;
    let quick = read_all(quick).await;
    assert_eq!(ended(&control), Answer::Ended(Ended::Exited));
    assert_eq!(shim.wait("").await, 0);
    // The slow client has not read a byte so far, and is served still.
    let slow = read_all(slow).await;
    assert_eq!(quick.len(), 14_888_896);
    assert!(slow == quick, "a slow client gets all of it, later");
    shim.finish().await;
}

#[tokio::test]
async fn a_slow_client_is_served_to_the_end_even_when_the_task_is_deleted() {
    let mut shim = Shim::start(&["/usr/bin/seq", "2000000"]).await;
    let uri = StdioUri {
        log: None,
        ..shim.uri()
    };
    shim.create_with(&uri, false).await;
    let (control, slow) = shim.attach(output());
    shim.run().await;
    assert_eq!(shim.wait("").await, 0);
    shim.delete("").await;
    let request = gantry_proto::containerd::task::v3::ShutdownRequest::default();
    shim.client.shutdown(request).await.unwrap();
    let slow = read_all(slow).await;
    assert_eq!(slow.len(), 14_888_896);
    assert!(slow.ends_with(b"\n2000000\n"));
    assert_eq!(ended(&control), Answer::Ended(Ended::Exited));
    shim.expect_nothing_left().await;
}

#[tokio::test]
async fn a_descriptor_is_kept_for_whoever_comes_back() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    let ask = |request: &Request, descriptor: Option<&UnixStream>| {
        let connection = Connection::connect(&shim.uri().socket).unwrap();
        let descriptor = descriptor.map(std::os::fd::AsFd::as_fd);
        connection.send_request(request, descriptor).unwrap();
        connection.recv_answer().unwrap().unwrap()
    };
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let name = "api:/x".to_owned();
    let park = Request::Park { name: name.clone() };
    assert_eq!(ask(&park, Some(&theirs)).0, Answer::Ok(true));
    drop(theirs);
    for text in [b"one", b"two"] {
        let (answer, fetched) = ask(&Request::Fetch { name: name.clone() }, None);
        assert_eq!(answer, Answer::Ok(true));
        UnixStream::from(fetched.unwrap()).write_all(text).unwrap();
        let mut read = [0; 3];
        ours.read_exact(&mut read).unwrap();
        assert_eq!(&read, text);
    }
    let (answer, _) = ask(
        &Request::Fetch {
            name: "other".to_owned(),
        },
        None,
    );
    assert!(matches!(answer, Answer::Error(_)));
    let unknown = Request::Attach(Attach {
        process: "no-such".to_owned(),
        ..output()
    });
    assert!(matches!(ask(&unknown, Some(&ours)).0, Answer::Error(_)));
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}
