//! Trees arrive as they were sent, and only what changed is sent again.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use bytes::Bytes;
use gantry_buildkit::fsutil::{Packet, PacketType, Received, Receiver, Sender};
use prost::Message;

use crate::{DIRECTORY, SYMLINK, data, feed, open, packet, stat, told};

/// What buildx sent for `COPY a.txt sub /data/`, as recorded on its way to dockerd.
const RECORDED: [&str; 9] = [
    "12160a05612e74787410a403280430bfe5b99799908af518",
    "12150a0373756210ed8380800830bfe5b99799908af518",
    "12160a057375622f6210a403280430bfe5b99799908af518",
    "",
    "0802180222046262620a",
    "08021802",
    "080222046161610a",
    "0802",
    "0803",
];

/// What dockerd answered.
const ANSWERED: [&str; 3] = ["0801", "08011802", "0803"];

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("sound");
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn recorded() -> Vec<Packet> {
    let packets = RECORDED.iter();
    packets
        .map(|hex| Packet::decode(bytes_of(hex).as_slice()).expect("sound"))
        .collect()
}

/// Carries packets between a sender and a receiver until both are done.
fn carry(from: &Path, to: &Path) -> Received {
    let mut sender = Sender::new(open(from)).expect("sound");
    let mut receiver = Receiver::new(open(to)).expect("sound");
    let mut is_done = false;
    while let Some(packet) = sender.produce().expect("sound") {
        let mut answers = Vec::new();
        is_done = receiver
            .take(packet, &mut |answer| answers.push(answer))
            .expect("sound");
        for answer in answers {
            sender.take(&answer).expect("sound");
        }
    }
    assert!(is_done && sender.is_finished());
    receiver.received()
}

#[test]
fn a_recorded_transfer_is_answered_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let answers = feed(root.path(), recorded()).unwrap();
    let answers: Vec<Vec<u8>> = answers.iter().map(Message::encode_to_vec).collect();
    assert_eq!(answers, ANSWERED.map(bytes_of));
    assert_eq!(fs::read(root.path().join("a.txt")).unwrap(), b"aaa\n");
    assert_eq!(fs::read(root.path().join("sub/b")).unwrap(), b"bbb\n");
    let file = fs::metadata(root.path().join("sub/b")).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o644);
    assert_eq!(
        file.mtime() * 1_000_000_000 + file.mtime_nsec(),
        1_795_291_938_441_556_671
    );
    let directory = fs::metadata(root.path().join("sub")).unwrap();
    assert_eq!(directory.mode() & 0o7777, 0o755);
    assert_eq!(directory.mtime(), 1_795_291_938);
}

#[test]
fn what_did_not_change_is_not_asked_for() {
    let root = tempfile::tempdir().unwrap();
    feed(root.path(), recorded()).unwrap();
    let again = recorded().into_iter().take(4);
    let answers = feed(root.path(), again).unwrap();
    assert_eq!(answers, [packet(PacketType::PacketFin)]);
    assert_eq!(fs::read(root.path().join("sub/b")).unwrap(), b"bbb\n");
}

#[test]
fn a_file_of_another_time_or_size_or_mode_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    feed(root.path(), recorded()).unwrap();
    let mut changed = recorded();
    changed.truncate(4);
    changed[0].stat.as_mut().unwrap().mod_time += 1;
    changed[2].stat.as_mut().unwrap().mode = 0o755;
    let answers = feed(root.path(), changed).unwrap();
    let asked: Vec<u32> = answers.iter().map(|answer| answer.id).collect();
    assert_eq!(asked, [0, 2]);
}

#[test]
fn what_is_not_told_is_removed() {
    let root = tempfile::tempdir().unwrap();
    for path in ["old/deep/file", "sub/old", "zzz"] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "old").unwrap();
    }
    // A directory where a file is to be, and the other way round.
    fs::create_dir_all(root.path().join("a.txt/inner")).unwrap();
    feed(root.path(), recorded()).unwrap();
    let mut left: Vec<_> = fs::read_dir(root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["a.txt", "sub"]);
    assert!(!root.path().join("sub/old").exists());
}

#[test]
fn a_tree_arrives_as_it_was_sent_and_nothing_is_sent_twice() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| from.path().join(name);
    fs::create_dir_all(path("d/e")).unwrap();
    fs::write(path("d/big"), vec![7_u8; 100_000]).unwrap();
    fs::write(path("d/e/empty"), "").unwrap();
    fs::write(path("d.x"), "sorts behind what is in d").unwrap();
    fs::set_permissions(path("d.x"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::hard_link(path("d/big"), path("e")).unwrap();
    symlink("../nowhere", path("d/link")).unwrap();

    let first = carry(from.path(), to.path());
    assert_eq!((first.entries, first.asked), (7, 3));
    let to_path = |name: &str| to.path().join(name);
    assert_eq!(fs::read(to_path("e")).unwrap(), vec![7_u8; 100_000]);
    let inode = |name| fs::metadata(to_path(name)).unwrap().ino();
    assert_eq!(inode("e"), inode("d/big"));
    assert_eq!(
        fs::read_link(to_path("d/link")).unwrap(),
        Path::new("../nowhere")
    );
    let mode = fs::metadata(to_path("d.x")).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o4750);

    // A file with several names is sent again: one of them may be about to change alone.
    let second = carry(from.path(), to.path());
    assert_eq!((second.entries, second.asked), (7, 1));
}

#[test]
fn files_may_be_interleaved_and_a_pipe_and_a_link_need_no_contents() {
    let root = tempfile::tempdir().unwrap();
    let fifo = (1 << 25) | 0o622;
    let mut link = stat("l", SYMLINK);
    link.linkname = "a".to_owned();
    let answers = feed(
        root.path(),
        [
            told(stat("a", 0o644)),
            told(stat("b", 0o600)),
            data(1, b"1"),
            data(0, b"0"),
            data(1, b"1"),
            data(0, b""),
            told(stat("d", DIRECTORY)),
            told(link),
            told(stat("p", fifo)),
            data(1, b""),
            packet(PacketType::PacketStat),
        ],
    )
    .unwrap();
    assert_eq!(answers.last(), Some(&packet(PacketType::PacketFin)));
    assert_eq!(fs::read(root.path().join("a")).unwrap(), b"0");
    assert_eq!(fs::read(root.path().join("b")).unwrap(), b"11");
    assert_eq!(fs::read(root.path().join("l")).unwrap(), b"0");
    let pipe = fs::metadata(root.path().join("p")).unwrap();
    assert_eq!(pipe.mode() & 0o177_777, 0o010_622);
}

#[test]
fn a_directory_on_the_way_to_the_client_is_asked_for_by_number() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("f"), "contents").unwrap();
    let mut sender = Sender::new(open(from.path())).unwrap();
    let stat = sender.produce().unwrap().unwrap().stat.unwrap();
    assert_eq!((stat.path.as_str(), stat.size), ("f", 8));
    assert_eq!(sender.produce().unwrap().unwrap().stat, None);
    assert_eq!(sender.produce().unwrap(), None);
    sender.take(&packet(PacketType::PacketReq)).unwrap();
    let piece = sender.produce().unwrap().unwrap();
    assert_eq!(piece.data, Bytes::from_static(b"contents"));
    assert!(sender.produce().unwrap().unwrap().data.is_empty());
    let twice = sender.take(&packet(PacketType::PacketReq)).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "the client asked for entry 0, which has no contents"
    );
    sender.take(&packet(PacketType::PacketFin)).unwrap();
    let end = sender.produce().unwrap().unwrap();
    assert_eq!(end, packet(PacketType::PacketFin));
    assert!(sender.is_finished());
}
