//! What of a context is sent, and sent again.

use std::fs;

use integration_tests::{Answer, Engine};

use super::{build, context};

/// Bytes of the context that plain progress says were sent.
fn sent(answer: &Answer) -> f64 {
    let lines = answer.err.lines().rev();
    let line = lines
        .filter(|line| line.ends_with(" done"))
        .find_map(|line| line.split_once("transferring context: "));
    let (_, amount) = line.expect("a context was sent");
    let amount = amount.split(' ').next().expect("an amount");
    let digits = amount.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = match &amount[digits.len()..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        other => panic!("{other:?} is no unit: {line:?}"),
    };
    digits.parse::<f64>().expect("a number") * unit
}

/// One that fits in memory, and one that does not.
#[test]
fn of_an_unchanged_context_nothing_is_sent_again() {
    let engine = Engine::start();
    for (name, bytes) in [("small", 3_u32 << 20), ("large", 100 << 20)] {
        let root = context(
            &engine,
            name,
            &[
                ("Dockerfile", "FROM BASE\nCOPY . /in\nRUN wc -c < /in/big\n"),
                ("sub/file", "text\n"),
            ],
        );
        let big = fs::File::create(root.join("big")).expect("a file");
        big.set_len(u64::from(bytes)).expect("a long file");
        let path = root.to_str().expect("text");
        let first = build(&engine, &[path], b"");
        assert!(
            first.code == 0 && first.err.contains(&bytes.to_string()),
            "{first:?}"
        );
        assert!(sent(&first) >= f64::from(bytes), "{first:?}");
        let again = build(&engine, &[path], b"");
        assert!(again.code == 0 && again.err.contains("CACHED"), "{again:?}");
        assert!(sent(&again) < 1e4, "{again:?}");
        // One file changed, another one gone: the step is done anew, with what was kept.
        fs::write(root.join("sub/file"), "other\n").expect("a file");
        fs::write(root.join("new"), "new\n").expect("a file");
        let changed = build(&engine, &[path], b"");
        assert!(changed.err.contains(&bytes.to_string()), "{changed:?}");
        assert!(sent(&changed) < 1e4, "{changed:?}");
        let same = build(&engine, &["--no-cache", path], b"");
        assert!(same.err.contains(&bytes.to_string()), "{same:?}");
        assert!(sent(&same) < 1e4, "{same:?}");
    }
    engine.finish();
}
