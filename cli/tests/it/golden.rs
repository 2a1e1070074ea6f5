//! Tables, templates, texts and exit codes: byte for byte what docker 28 prints for the same
//! answers of the engine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::engine::{Answers, Engine};
use crate::run::{Said, blessing, peers, run};

/// Each line is a command line; a word may be quoted by `'`.
const CASES: &str = include_str!("golden/cases.txt");

fn answers() -> Answers {
    let recorded: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(include_str!("golden/answers.json")).unwrap();
    recorded
        .into_iter()
        .map(|(key, value)| {
            let status = u16::try_from(value["status"].as_u64().unwrap_or(200)).unwrap();
            let body = match &value["body"] {
                serde_json::Value::String(text) => text.clone(),
                // A time is a number, once it is placed.
                body => body
                    .to_string()
                    .replace("\"@NOW", "@NOW")
                    .replace("@\"", "@"),
            };
            (&*key.leak(), (status, body))
        })
        .collect()
}

fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

fn transcript(program: &Path, host: &str) -> String {
    let mut text = String::new();
    for case in CASES.lines().filter(|line| !line.is_empty()) {
        let words = words(case);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Said { out, err, code } = within_a_second(|| run(program, host, &words));
        let _ = write!(text, "$ docker {case}\n{out}");
        if !err.is_empty() {
            let _ = write!(text, "--- stderr\n{err}");
        }
        let _ = write!(text, "--- exit {code}\n\n");
    }
    masked(&text.replace(host, "unix:///HOST"))
}

/// Runs `ask` again while the clock's second turns during it: "45 seconds ago" is exact only when
/// the engine's answer and the table drawn from it fall into the same second.
fn within_a_second<T>(ask: impl Fn() -> T) -> T {
    let second = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.expect("the clock is past 1970").as_secs()
    };
    loop {
        let before = second();
        let said = ask();
        if second() == before {
            return said;
        }
    }
}

/// Moments that follow the clock, masked: `2026-11-21 14:57:05 +0000 UTC` and JSON's CreatedAt.
fn masked(text: &str) -> String {
    const UTC: &str = " +0000 UTC";
    const JSON: &str = "\"CreatedAt\":\"";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(UTC) {
        out.push_str(&rest[..at.saturating_sub("2026-11-21 14:57:05".len())]);
        out.push_str("<moment>");
        rest = &rest[at + UTC.len()..];
    }
    out.push_str(rest);
    let mut parts = out.split(JSON);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        let end = part.find('"').unwrap_or(0);
        format!("{all}{JSON}<moment>{}", &part[end..])
    })
}

#[test]
fn everything_printed_is_what_docker_prints() {
    let engine = Engine::serve(answers());
    let file: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/it/golden/docker28.txt"]
        .iter()
        .collect();
    if let (true, Some(peers)) = (blessing(), peers()) {
        std::fs::write(&file, transcript(&peers.join("bin/docker"), &engine.host())).unwrap();
    }
    let want = std::fs::read_to_string(&file).unwrap();
    let got = transcript(&engine.as_docker(), &engine.host());
    compare(&want, &got, "$ docker ");
}

/// Compares two transcripts case by case and tells every difference.
pub(crate) fn compare(want: &str, got: &str, mark: &str) {
    let differences: Vec<String> = want
        .split(mark)
        .zip(got.split(mark))
        .filter(|(want, got)| want != got)
        .map(|(want, got)| format!("=== docker:\n{want}=== gantry:\n{got}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(
        want.len(),
        got.len(),
        "the recording has other cases; bless it"
    );
}
