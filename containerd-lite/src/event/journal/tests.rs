//! Order, resumption, rotation and torn tails.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::reader::Gap;
use super::{Cursor, Journal, segment};
use crate::event::Event;
use crate::names::Namespace;
use crate::typed::Typed;

fn event(n: u64) -> Event {
    Event {
        at: UNIX_EPOCH + Duration::from_secs(n + 1),
        namespace: Namespace::parse("ns").expect("namespace"),
        topic: "/tasks/exit".into(),
        payload: Typed {
            url: "test".into(),
            value: n.to_le_bytes().repeat(4),
        },
    }
}

fn fill(journal: &Journal, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        assert_eq!(journal.append(&event(n)).expect("append"), n);
    }
}

async fn read(journal: &Journal, after: u64, count: u64) -> Vec<Event> {
    let mut reader = journal.reader(after);
    let mut events = Vec::new();
    for _ in 0..count {
        let next = reader.next().await.expect("readable").expect("kept");
        events.push(next.1);
    }
    events
}

#[tokio::test]
async fn a_subscriber_resumes_where_it_stood_after_a_restart() {
    let root = tempfile::tempdir().expect("temporary directory");
    let first = Journal::open(root.path()).expect("new journal");
    fill(&first, 1..=5);
    let cursor = Cursor {
        sequence: 3,
        ..first.head()
    };
    drop(first);
    let again = Journal::open(root.path()).expect("same journal");
    assert!(again.holds(&cursor));
    fill(&again, 6..=7);
    assert_eq!(read(&again, 3, 4).await, [4, 5, 6, 7].map(event));
}

#[tokio::test]
async fn a_waiting_reader_sees_what_comes() {
    let root = tempfile::tempdir().expect("temporary directory");
    let journal = Journal::open(root.path()).expect("new journal");
    let reading = tokio::spawn({
        let journal = journal.clone();
        async move { read(&journal, 0, 3).await }
    });
    tokio::task::yield_now().await;
    fill(&journal, 1..=3);
    assert_eq!(reading.await.expect("no panic"), [1, 2, 3].map(event));
}

#[tokio::test]
async fn every_torn_tail_is_cut_off() {
    let root = tempfile::tempdir().expect("temporary directory");
    let journal = Journal::open(root.path()).expect("new journal");
    fill(&journal, 1..=2);
    drop(journal);
    let path = segment::path(root.path(), 1);
    let whole = std::fs::read(&path).expect("segment");
    let record = segment::encode(3, b"not an envelope, but whole");
    for length in 1..record.len() {
        std::fs::write(&path, &whole).expect("restore");
        let mut file = std::fs::File::options()
            .append(true)
            .open(&path)
            .expect("open");
        file.write_all(&record[..length]).expect("tear");
        drop(file);
        let journal = Journal::open(root.path()).expect("recovers");
        assert_eq!(journal.head().sequence, 2, "{length} bytes of a record");
        fill(&journal, 3..=3);
        assert_eq!(read(&journal, 1, 2).await, [2, 3].map(event));
    }
}

#[tokio::test]
async fn rotation_keeps_the_newest_and_says_what_is_gone() {
    let root = tempfile::tempdir().expect("temporary directory");
    // Every record closes its segment.
    let journal = Journal::with_segments(root.path(), 1).expect("new journal");
    let old = journal.head();
    let mut slow = journal.reader(0);
    fill(&journal, 1..=20);
    assert!(!journal.holds(&old));
    assert_eq!(slow.next().await.expect("readable"), Err(Gap));
    let kept = Cursor {
        sequence: 12,
        ..old.clone()
    };
    assert!(journal.holds(&kept));
    let expected: Vec<Event> = (13..=20).map(event).collect();
    assert_eq!(read(&journal, 12, 8).await, expected);
    fill(&journal, 21..=21);
    let (_, next) = slow.next().await.expect("readable").expect("kept");
    assert_eq!(next, event(21), "a reader behind a gap goes on at the end");
    drop(slow);
    assert!(files(root.path()) <= 9);
    let again = Journal::open(root.path()).expect("reopen");
    assert_eq!(again.head().sequence, 21);
}

#[test]
fn a_foreign_or_future_cursor_is_not_held() {
    let root = tempfile::tempdir().expect("temporary directory");
    let journal = Journal::open(root.path()).expect("new journal");
    fill(&journal, 1..=1);
    let head = journal.head();
    assert!(journal.holds(&head));
    let sequence = 2;
    assert!(!journal.holds(&Cursor {
        sequence,
        ..head.clone()
    }));
    let journal_id = "other".into();
    assert!(!journal.holds(&Cursor {
        journal: journal_id,
        ..head
    }));
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).expect("list").count()
}
