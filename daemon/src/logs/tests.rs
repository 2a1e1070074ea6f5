//! Whole logs: files on disk in, what a client gets out.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use gantry_stdio::frame::{Decoder, Stream};
use tokio_util::sync::CancellationToken;

use super::decode::{Step, record};
use super::output::Output;
use super::reader::{Filled, Reader};
use super::*;

fn query() -> LogQuery {
    LogQuery {
        stdout: true,
        stderr: true,
        since_ns: None,
        until_ns: None,
        end: None,
        tail: None,
        timestamps: false,
        details: false,
        follow: false,
        framed: false,
    }
}

fn line(number: u64) -> String {
    let stream = if number.is_multiple_of(2) {
        "stdout"
    } else {
        "stderr"
    };
    format!(
        "{{\"log\":\"line {number}\\n\",\"stream\":\"{stream}\",\
         \"time\":\"2026-01-01T00:00:00.{number:09}Z\"}}\n"
    )
}

fn numbers(range: std::ops::Range<u64>) -> String {
    range.fold(String::new(), |mut text, number| {
        writeln!(text, "line {number}").unwrap();
        text
    })
}

fn write(path: &Path, range: std::ops::Range<u64>) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    let text: String = range.map(line).collect();
    file.write_all(text.as_bytes()).unwrap();
}

/// The log's files: 0..10 in `.2`, 10..20 in `.1`, 20..30 in the live one.
fn rotated() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x-json.log");
    write(&dir.path().join("x-json.log.2"), 0..10);
    write(&dir.path().join("x-json.log.1"), 10..20);
    write(&path, 20..30);
    (dir, path)
}

fn read(path: &Path, query: LogQuery) -> String {
    let mut reader = Reader::open(path, query).unwrap();
    let mut text = Vec::new();
    loop {
        let mut out = reader.output();
        let filled = reader.fill(&mut out).unwrap();
        text.extend(out.into_bytes());
        if filled != Filled::More {
            return String::from_utf8(text).unwrap();
        }
    }
}

#[test]
fn rotated_files_are_read_in_order() {
    let (_dir, path) = rotated();
    assert_eq!(read(&path, query()), numbers(0..30));
    assert_eq!(read(&path.with_extension("none"), query()), "");
}

#[test]
fn tail_counts_over_files_and_from_the_end() {
    let (_dir, path) = rotated();
    for (tail, first) in [
        (0, 30),
        (1, 29),
        (10, 20),
        (11, 19),
        (25, 5),
        (30, 0),
        (99, 0),
    ] {
        let tailed = LogQuery {
            tail: Some(tail),
            ..query()
        };
        assert_eq!(read(&path, tailed), numbers(first..30), "tail {tail}");
    }
}

#[test]
fn a_tail_longer_than_a_block_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    write(&path, 0..5000);
    for tail in [1, 900, 1000, 4999, 5000] {
        let tailed = LogQuery {
            tail: Some(tail),
            ..query()
        };
        assert_eq!(
            read(&path, tailed),
            numbers(5000 - tail..5000),
            "tail {tail}"
        );
    }
}

#[test]
fn the_window_and_the_streams_are_kept_to() {
    let (_dir, path) = rotated();
    let epoch = 1_767_225_600_000_000_000;
    let window = LogQuery {
        since_ns: Some(epoch + 5),
        until_ns: Some(epoch + 25),
        ..query()
    };
    assert_eq!(read(&path, window), numbers(5..26));
    let stderr = LogQuery {
        stdout: false,
        tail: Some(4),
        ..query()
    };
    assert_eq!(read(&path, stderr), "line 27\nline 29\n");
}

/// The frames that a client gets, each in one piece.
fn frames(path: &Path, query: LogQuery) -> Vec<(Stream, String)> {
    let mut reader = Reader::open(path, query).unwrap();
    let mut out = reader.output();
    assert_eq!(reader.fill(&mut out).unwrap(), Filled::End);
    let bytes = out.into_bytes();
    let mut decoder = Decoder::default();
    let mut input = bytes.as_slice();
    let mut pieces = Vec::new();
    while let Some(piece) = decoder.next(&mut input).unwrap() {
        let text = String::from_utf8(piece.bytes.to_vec()).unwrap();
        pieces.push((piece.stream, text));
    }
    pieces
}

#[test]
fn records_share_a_frame_unless_a_client_follows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    write(&path, 1..2);
    for number in [2, 4, 6] {
        write(&path, number..number + 1);
    }
    let framed = LogQuery {
        framed: true,
        ..query()
    };
    let shared = frames(&path, framed.clone());
    let text = |number| format!("line {number}\n");
    let all = [text(2), text(4), text(6)].concat();
    assert_eq!(shared, [(Stream::Stderr, text(1)), (Stream::Stdout, all)]);
    let follow = LogQuery {
        follow: true,
        ..framed.clone()
    };
    assert_eq!(frames(&path, follow).len(), 4);
    write(&path, 8..10_000);
    let only = LogQuery {
        stderr: false,
        ..framed
    };
    let long = frames(&path, only);
    assert!(long.len() > 1 && long.iter().all(|(_, text)| text.len() <= 40_000));
    let lines: usize = long.iter().map(|(_, text)| text.lines().count()).sum();
    assert_eq!(lines, 3 + 4996);
}

#[test]
fn timestamps_and_frames_are_put_before_each_record() {
    let (_dir, path) = rotated();
    let stamped = LogQuery {
        timestamps: true,
        framed: true,
        tail: Some(2),
        ..query()
    };
    let pieces = frames(&path, stamped);
    let stamp = |n| format!("2026-01-01T00:00:00.{n:09}Z line {n}\n");
    assert_eq!(
        pieces,
        [(Stream::Stdout, stamp(28)), (Stream::Stderr, stamp(29))]
    );
}

/// The same record in every shape gives the same bytes.
#[test]
fn other_shapes_fall_back_and_mean_the_same() {
    let usual = r#"{"log":"a\u003cb\n","stream":"stderr","time":"2026-01-01T00:00:00Z"}"#;
    let shapes = [
        usual.to_owned(),
        r#"{"log":"a<b\n","stream":"stderr","attrs":{"k":"}\"x"},"time":"2026-01-01T00:00:00Z"}"#
            .into(),
        r#"{ "time":"2026-01-01T01:00:00+01:00", "stream":"stderr", "log":"a<b\n", "x":[1] }"#
            .into(),
    ];
    let stamped = LogQuery {
        timestamps: true,
        framed: true,
        ..query()
    };
    let decode = |text: &str| {
        let mut out = Output::new(&stamped);
        let step = record(format!("{text}\n").as_bytes(), &stamped, &mut out);
        (step == Step::Taken(text.len() + 1), out.into_bytes())
    };
    let (_, expected) = decode(usual);
    assert_eq!(&expected[8..], b"2026-01-01T00:00:00.000000000Z a<b\n");
    for shape in &shapes {
        assert_eq!(decode(shape), (true, expected.clone()), "{shape}");
    }
}

#[test]
fn details_are_sorted_and_escaped() {
    let text = "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"b\":\"1 2\",\"a\":\"c=d\"},\
                \"time\":\"2026-01-01T00:00:00Z\"}\n";
    let detailed = LogQuery {
        details: true,
        ..query()
    };
    let mut out = Output::new(&detailed);
    record(text.as_bytes(), &detailed, &mut out);
    assert_eq!(
        String::from_utf8(out.into_bytes()).unwrap(),
        "a=c%3Dd,b=1+2 x\n"
    );
}

#[test]
fn torn_and_foreign_lines_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(
        &path,
        format!(
            "{}{{\"log\":\"torn\n\0\0\nnull\n{}{{\"log\":\"unfi",
            line(1),
            line(2)
        ),
    )
    .unwrap();
    assert_eq!(read(&path, query()), numbers(1..3));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(0_u8..128, 0..200)) {
        let mut text = b"{\"log\":\"".to_vec();
        text.extend(bytes);
        for input in [&text[..], &text[8..]] {
            let stamped = LogQuery { timestamps: true, framed: true, since_ns: Some(0), ..query() };
            record(input, &stamped, &mut Output::new(&stamped));
        }
    }
}

/// Follows in the background; the text so far can be waited for.
async fn follow(
    path: &Path,
    complete: &CancellationToken,
    watched: bool,
) -> tokio::sync::mpsc::Receiver<String> {
    let source = Source {
        path: path.to_owned(),
        complete: complete.clone(),
        closing: CancellationToken::new(),
    };
    let watch = watched.then(|| LogWatch::start().unwrap());
    let lines = lines(
        source,
        LogQuery {
            follow: true,
            ..query()
        },
        watch,
    )
    .await
    .unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        let mut lines = std::pin::pin!(lines);
        while let Some(piece) = lines.next().await {
            let text = String::from_utf8(piece.unwrap().to_vec()).unwrap();
            sender.send(text).await.unwrap();
        }
    });
    receiver
}

async fn until_line(pieces: &mut tokio::sync::mpsc::Receiver<String>, last: u64) -> String {
    let mut text = String::new();
    while !text.ends_with(&format!("line {last}\n")) {
        text.push_str(&pieces.recv().await.expect("the log goes on"));
    }
    text
}

#[tokio::test]
async fn a_follower_goes_over_rotations_and_ends_with_the_container() {
    for watched in [true, false] {
        let (dir, path) = rotated();
        let complete = CancellationToken::new();
        let mut pieces = follow(&path, &complete, watched).await;
        assert_eq!(until_line(&mut pieces, 29).await, numbers(0..30));
        write(&path, 30..35);
        assert_eq!(until_line(&mut pieces, 34).await, numbers(30..35));
        // Two rotations while nobody looks.
        for range in [35..40, 40..45] {
            fs::rename(
                dir.path().join("x-json.log.1"),
                dir.path().join("x-json.log.2"),
            )
            .unwrap();
            fs::rename(&path, dir.path().join("x-json.log.1")).unwrap();
            write(&path, range);
        }
        assert_eq!(until_line(&mut pieces, 44).await, numbers(35..45));
        write(&path, 45..46);
        complete.cancel();
        assert_eq!(until_line(&mut pieces, 45).await, numbers(45..46));
        assert_eq!(pieces.recv().await, None, "the follower ends");
    }
}

#[tokio::test]
async fn a_log_that_is_cut_begins_anew_and_one_that_comes_later_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let complete = CancellationToken::new();
    let mut pieces = follow(&path, &complete, true).await;
    write(&path, 0..10);
    assert_eq!(until_line(&mut pieces, 9).await, numbers(0..10));
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(0)
        .unwrap();
    write(&path, 10..12);
    assert_eq!(until_line(&mut pieces, 11).await, numbers(10..12));
}
