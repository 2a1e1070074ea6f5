//! What a client may ask of a Dockerfile instead of building it (`--check`, `--call`).

use std::collections::BTreeMap;

use gantry_dockerfile::{Dockerfile, Options, Source, check};
use serde_json::Value;
use tonic::Status;

use super::failure;

/// An answer: `result.json` for programs, `result.txt` for people.
pub(super) type Answer = BTreeMap<String, Vec<u8>>;

/// The first line of a check's text, which the client writes itself.
const CHECK_COMPLETE: &str = "Check complete";

/// Answers a question.
///
/// # Errors
/// It is none that is answered, or the Dockerfile cannot be read.
pub(super) fn answer(question: &str, source: &Source, options: &Options) -> Result<Answer, Status> {
    match question {
        "frontend.lint" => Ok(lint(source, options)),
        "frontend.targets" => targets(source),
        _ => Err(Status::unimplemented(format!(
            "the request {question:?} is not supported"
        ))),
    }
}

fn lint(source: &Source, options: &Options) -> Answer {
    let report = check(source, options, &|_| None);
    let text = report.to_text(source);
    let text = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with(CHECK_COMPLETE) => rest.to_owned(),
        _ => text,
    };
    let is_sound = report.warnings.is_empty() && report.error.is_none();
    let mut answer = texts(&report.to_json(source), text);
    let code = if is_sound { "0" } else { "1" };
    answer.insert("result.statuscode".to_owned(), code.into());
    answer
}

fn targets(source: &Source) -> Result<Answer, Status> {
    let file = Dockerfile::parse(source)
        .map_err(|error| failure::status(&gantry_build::BuildError::new(error), Some(source)))?;
    let json = file.targets(source);
    let mut text = String::from("TARGET\tDESCRIPTION\n");
    for target in json["targets"].as_array().into_iter().flatten() {
        let word = |key: &str| target[key].as_str().unwrap_or_default();
        text.push_str(&format!("{}\t{}\n", word("name"), word("description")));
    }
    Ok(texts(&json, text))
}

fn texts(json: &Value, text: String) -> Answer {
    let json = serde_json::to_vec_pretty(json).expect("values are JSON");
    BTreeMap::from([
        ("result.json".to_owned(), json),
        ("result.txt".to_owned(), text.into_bytes()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ])
}

#[cfg(test)]
mod tests {
    use gantry_dockerfile::Platform;

    use super::*;

    fn ask(question: &str, text: &str) -> Result<Answer, Status> {
        let source = Source::new("Dockerfile", text.as_bytes());
        let options = Options::new(Platform::new("linux", "amd64", ""));
        answer(question, &source, &options)
    }

    #[test]
    fn a_check_is_answered_with_its_findings() {
        let sound = ask("frontend.lint", "FROM scratch\n").unwrap();
        assert_eq!(sound["result.statuscode"], b"0");
        assert_eq!(sound["result.txt"], b"");
        let found = ask("frontend.lint", "FROM scratch AS Foo\n").unwrap();
        assert_eq!(found["result.statuscode"], b"1");
        let json: Value = serde_json::from_slice(&found["result.json"]).unwrap();
        assert_eq!(json["warnings"][0]["ruleName"], "StageNameCasing");
    }

    #[test]
    fn the_stages_are_told_and_other_questions_refused() {
        let answer = ask("frontend.targets", "FROM scratch AS a\nFROM a AS b\n").unwrap();
        let json: Value = serde_json::from_slice(&answer["result.json"]).unwrap();
        assert_eq!(json["targets"][1]["name"], "b");
        let refused = ask("frontend.nonsense", "FROM scratch\n").unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unimplemented);
    }
}
