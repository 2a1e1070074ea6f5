//! What `create` asks for: for every flag the same request that docker 28 sends.
//!
//! Absent, null, false, 0 and empty say the same to an engine, so they are left out before the
//! comparison.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::engine::{Answers, Engine};
use crate::golden::compare;
use crate::run::{blessing, peers, run};

/// Each line: the flags of one `create`.
const CASES: &str = include_str!("golden/create.txt");

fn stripped(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Number(number) => (number.as_f64() != Some(0.0)).then(|| value.clone()),
        Value::String(text) => (!text.is_empty()).then(|| value.clone()),
        Value::Array(items) if items.is_empty() => None,
        // Places in a list count.
        Value::Array(items) => Some(
            items
                .iter()
                .map(|item| stripped(item).unwrap_or(Value::Null))
                .collect(),
        ),
        Value::Object(fields) => {
            let kept: BTreeMap<String, Value> = fields
                .iter()
                .filter_map(|(key, field)| match field {
                    // A set, as in ExposedPorts: its keys are what it says.
                    Value::Object(empty) if empty.is_empty() => Some((key.clone(), field.clone())),
                    _ => Some((key.clone(), stripped(field)?)),
                })
                .filter(|(key, field)| !is_empty(field) || key.contains('/'))
                .collect();
            Some(Value::Object(kept.into_iter().collect()))
        }
        other => Some(other.clone()),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn transcript(program: &Path) -> String {
    let mut text = String::new();
    for case in CASES.lines().filter(|line| !line.is_empty()) {
        let created = (201, "{\"Id\":\"0123\",\"Warnings\":[]}".to_owned());
        let answers: Answers = [("POST /containers/create", created)].into_iter().collect();
        let engine = Engine::serve(answers);
        let mut words = vec!["create"];
        words.extend(case.split(' '));
        let said = run(program, &engine.host(), &words);
        let asked = engine.asked();
        let request = asked
            .iter()
            .find(|asked| asked.line.contains("/containers/create"));
        text.push_str(&format!("$ create {case}\n"));
        match request {
            Some(request) => {
                let target = request.line.split(' ').nth(1).unwrap_or_default();
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let body = stripped(&body).unwrap_or(Value::Null);
                text.push_str(&format!(
                    "{target}\n{}\n\n",
                    serde_json::to_string_pretty(&body).unwrap()
                ));
            }
            None => {
                let first = said.err.lines().next().unwrap_or_default();
                text.push_str(&format!("exit {}: {first}\n\n", said.code));
            }
        }
    }
    text
}

#[test]
fn every_flag_asks_for_what_docker_asks_for() {
    let file: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests/it/golden/create-docker28.txt",
    ]
    .iter()
    .collect();
    if let (true, Some(peers)) = (blessing(), peers()) {
        std::fs::write(&file, transcript(&peers.join("bin/docker"))).unwrap();
    }
    let link = tempfile::tempdir().unwrap();
    let docker = link.path().join("docker");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gantry"), &docker).unwrap();
    let want = std::fs::read_to_string(&file).unwrap();
    let got = transcript(&docker);
    compare(&want, &got, "$ create ");
}
