//! `gantryd --trace`: one run as a whole, from the command line to the runtime, on one axis of time.

use std::collections::{BTreeMap, BTreeSet};

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind};
use serde_json::Value;

/// The trace's events; the format's array form may end without its bracket.
fn events(text: &str) -> Vec<Value> {
    let closed = format!("{}]", text.trim_end().trim_end_matches(','));
    serde_json::from_str(&closed).expect("an array of events")
}

fn span(event: &Value) -> Option<(f64, f64)> {
    let begin = event["ts"].as_f64()?;
    Some((begin, begin + event["dur"].as_f64()?))
}

#[test]
fn one_run_is_seen_through_all_five_programs() {
    if Kind::under_test() == Kind::Stock || std::env::var_os("GANTRY_TEST_RUNTIME").is_some() {
        // Nobody else's programs write it.
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace.json");
    let engine = Engine::with_flags(&[&format!("--trace={}", file.display())]);
    let before = std::fs::read_to_string(&file).expect("a trace").len();
    let run = ["run", "--rm", "--network=none", BUSYBOX, "true"];
    let mut gantry = engine.gantry().command(&run);
    let status = gantry.env("GANTRY_TRACE", &file).status();
    assert!(status.expect("gantry runs").success());
    let text = std::fs::read_to_string(&file).expect("a trace");
    let all = events(&text);
    let names: BTreeMap<u64, &str> = all
        .iter()
        .filter(|event| event["name"] == "process_name")
        .filter_map(|event| Some((event["pid"].as_u64()?, event["args"]["name"].as_str()?)))
        .collect();
    let of_run = events(&format!("[{}", &text[before..]));
    let spans: Vec<&Value> = of_run.iter().filter(|event| event["ph"] == "X").collect();
    let seen: BTreeSet<&str> = spans
        .iter()
        .map(|event| names[&event["pid"].as_u64().expect("a pid")])
        .collect();
    let programs = [
        "containerd-lite",
        "containerd-shim-lite-v2",
        "gantry",
        "gantryd",
        "runc-lite",
    ];
    assert_eq!(seen, programs.into());
    // Each step lies within the step that waited for it, whatever process it was in.
    let find = |program: &str, name: &str| {
        let found = spans.iter().find(|event| {
            event["name"] == name && names[&event["pid"].as_u64().expect("a pid")] == program
        });
        let found = found.unwrap_or_else(|| panic!("no {name} of {program} in {text}"));
        span(found).expect("begin and length")
    };
    let chain = [
        find("gantry", "gantry"),
        find("gantryd", "start"),
        find("containerd-lite", "Tasks/Create"),
        find("containerd-lite", "shim Create"),
        find("containerd-shim-lite-v2", "runtime create"),
        find("runc-lite", "runc-lite create"),
        find("runc-lite", "process until ready"),
    ];
    for (outer, inner) in chain.iter().zip(&chain[1..]) {
        assert!(outer.0 <= inner.0 && inner.1 <= outer.1, "{chain:?}");
    }
    engine.finish();
}
