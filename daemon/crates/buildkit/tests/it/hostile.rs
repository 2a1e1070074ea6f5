//! A peer that lies changes nothing outside the directory it was given, and is told what is wrong.

use std::fs;
use std::os::unix::fs::symlink;

use gantry_buildkit::fsutil::{Packet, PacketType, Stat};
use proptest::prelude::*;

use crate::{DIRECTORY, SYMLINK, data, feed, packet, stat, told};

fn refusal(packets: impl IntoIterator<Item = Packet>) -> String {
    let root = tempfile::tempdir().expect("a temporary directory");
    let error = feed(root.path(), packets).expect_err("it is refused");
    error.to_string()
}

fn link(path: &str, mode: u32, target: &str) -> Packet {
    told(Stat {
        linkname: target.to_owned(),
        ..stat(path, mode)
    })
}

#[test]
fn paths_are_plain_names_one_behind_the_other() {
    let long = "a".repeat(256);
    let deep = vec!["a"; 2100].join("/");
    for path in [
        "", "..", ".", "/", "/etc", "a/../b", "a//b", "a/", "a\0b", &long, &deep,
    ] {
        let text = refusal([told(stat(path, 0o644))]);
        assert!(
            text.starts_with("the client sent an invalid path"),
            "{text}"
        );
    }
    let text = refusal([told(stat("b", 0o644)), told(stat("a", 0o644))]);
    assert_eq!(text, r#"the client sent "a" out of order, after "b""#);
    let text = refusal([told(stat("a", 0o644)), told(stat("a", 0o644))]);
    assert_eq!(text, r#"the client sent "a" out of order, after "a""#);
    let text = refusal([told(stat("a", 0o644)), told(stat("a/b", 0o644))]);
    assert_eq!(text, r#"the client sent "a/b" out of order, after "a""#);
}

#[test]
fn no_link_leads_out() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let text = refusal([link("a", SYMLINK, target), told(stat("a/b", 0o644))]);
    assert_eq!(text, r#"the client sent "a/b" out of order, after "a""#);

    // A link that an earlier transfer left is no directory.
    let root = tempfile::tempdir().unwrap();
    symlink(target, root.path().join("a")).unwrap();
    feed(
        root.path(),
        [
            told(stat("a", DIRECTORY)),
            told(stat("a/b", 0o644)),
            data(1, b""),
            packet(PacketType::PacketStat),
        ],
    )
    .unwrap();
    assert!(root.path().join("a/b").exists());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);

    // Further names are of files that were sent, and found without following links.
    let text = refusal([
        link("a", SYMLINK, "/etc"),
        link("b", 0o644, "a/passwd"),
        packet(PacketType::PacketStat),
    ]);
    let expected = r#"the client sent "b" as a link to "a/passwd", which is no file before it"#;
    assert_eq!(text, expected);
    let text = refusal([link("b", 0o644, "../../etc/passwd")]);
    assert!(
        text.starts_with("the client sent an invalid path"),
        "{text}"
    );
}

#[test]
fn contents_are_only_of_what_was_asked_for() {
    let unasked = "the client sent contents of entry 7, which it was not asked for";
    assert_eq!(refusal([data(7, b"x")]), unasked);
    assert_eq!(refusal([data(7, b"")]), unasked);
    let end = packet(PacketType::PacketFin);
    assert_eq!(refusal([end]), "the client sent a packet out of turn");
    let list = packet(PacketType::PacketStat);
    assert_eq!(
        refusal([list.clone(), told(stat("a", 0o644))]),
        "the client sent a packet out of turn"
    );
    let device = told(stat("null", (1 << 26) | 0o666));
    assert!(refusal([device]).starts_with(r#"the client sent the device "null""#));
    let gave_up = Packet {
        data: b"disk on fire".to_vec().into(),
        ..packet(PacketType::PacketErr)
    };
    assert_eq!(refusal([gave_up]), "disk on fire");
}

#[test]
fn files_that_are_never_ended_are_counted() {
    let files = (100..200).map(|number| told(stat(&format!("f{number}"), 0o644)));
    let pieces = (0..100).map(|number| data(number, b"x"));
    let text = refusal(files.chain(pieces));
    assert_eq!(text, "the client sends more than 64 files at once");
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let name = prop::sample::select(vec!["a", "b", "..", ".", "", "x\0", "é"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let mode = prop::sample::select(vec![
        0o644,
        DIRECTORY,
        SYMLINK,
        (1 << 25) | 0o600,
        (1 << 26) | 0o600,
        (1 << 24) | 0o600,
    ]);
    let target = prop::sample::select(vec!["", "", "a", "../outside", "/", "b/a"]);
    let entry = (path, mode, target, 0_i64..3).prop_map(|(path, mode, target, size)| {
        told(Stat {
            size,
            linkname: target.to_owned(),
            ..stat(&path, mode)
        })
    });
    let piece = (0_u32..8, prop::collection::vec(any::<u8>(), 0..3))
        .prop_map(|(id, bytes)| data(id, &bytes));
    let other = (-1_i32..8).prop_map(|kind| Packet {
        r#type: kind,
        ..Packet::default()
    });
    prop_oneof![6 => entry, 4 => piece, 1 => other]
}

proptest! {
    #[test]
    fn no_stream_writes_outside(
        streams in prop::collection::vec(prop::collection::vec(any_packet(), 0..40), 1..4)
    ) {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "mine").unwrap();
        for packets in streams {
            // Whether it fails or not, what it left is what the next one begins with.
            let _ = feed(&root, packets);
        }
        prop_assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
        prop_assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        prop_assert_eq!(fs::read(outside.join("file")).unwrap(), b"mine");
    }
}

#[test]
fn contents_have_an_end() {
    use gantry_buildkit::fsutil::{ReceiveError, Receiver};
    let receive = |packets: Vec<Packet>| {
        let root = tempfile::tempdir().expect("a temporary directory");
        let file = fs::File::open(root.path()).expect("a directory");
        let mut receiver = Receiver::new(file.into())
            .expect("it can be read")
            .limited_to(10);
        let mut packets = packets.into_iter();
        packets.try_for_each(|packet| receiver.take(packet, &mut |_| ()).map(drop))
    };
    let sized = |path: &str, size| {
        told(Stat {
            size,
            ..stat(path, 0o644)
        })
    };
    // Told beforehand, and by files that are longer than they were said to be.
    let refused = receive(vec![sized("a", 6), sized("b", 6)]);
    assert!(
        matches!(refused, Err(ReceiveError::Contents(10))),
        "{refused:?}"
    );
    let refused = receive(vec![sized("a", 6), data(0, b"123456789"), data(0, b"12")]);
    assert!(
        matches!(refused, Err(ReceiveError::Contents(10))),
        "{refused:?}"
    );
    receive(vec![sized("a", 6), data(0, b"123456"), data(0, b"")]).expect("they fit");
}
