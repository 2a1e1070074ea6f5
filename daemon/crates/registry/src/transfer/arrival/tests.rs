//! A reader sees what was written down, whoever is faster.

use std::io::Read;

use super::*;

fn partial(dir: &std::path::Path, start: &[u8]) -> Partial {
    let store = gantry_image::ImageStore::open(dir).expect("a store");
    let blob = gantry_ids::Digest::of(b"blob");
    let mut partial = store.partial(&blob, 1 << 20).expect("a partial blob");
    partial.append(start).expect("room");
    partial
}

#[test]
fn what_was_there_comes_before_what_arrives() {
    let dir = tempfile::tempdir().expect("a folder");
    let (sender, feed) = mpsc::channel(1);
    let (keeper, mut arriving) = ends(partial(dir.path(), b"begin, "), feed).expect("two ends");
    let keeping = std::thread::spawn(move || keeper.keep());
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        arriving.read_to_string(&mut text).map(|_| text)
    });
    for piece in ["go on, ", "", "end"] {
        let bytes = Bytes::from_static(piece.as_bytes());
        sender
            .blocking_send(Feed::Bytes(bytes))
            .expect("it listens");
    }
    sender.blocking_send(Feed::End).expect("it listens");
    let text = reading.join().expect("no panic").expect("all of it");
    assert_eq!(text, "begin, go on, end");
    keeping.join().expect("no panic");
}

#[test]
fn what_was_cut_off_is_not_read_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let (sender, feed) = mpsc::channel(1);
    let (keeper, mut arriving) = ends(partial(dir.path(), b"here"), feed).expect("two ends");
    let mut two = [0; 2];
    arriving.read_exact(&mut two).expect("they are there");
    drop(sender);
    keeper.keep();
    let error = arriving.read(&mut two).expect_err("it was cut");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
}

#[test]
fn nothing_is_kept_for_a_reader_that_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let (sender, feed) = mpsc::channel(4);
    let (keeper, arriving) = ends(partial(dir.path(), b""), feed).expect("two ends");
    drop(arriving);
    sender
        .blocking_send(Feed::Bytes(Bytes::from_static(b"x")))
        .expect("room");
    keeper.keep();
    assert!(sender.blocking_send(Feed::End).is_err());
}
