//! Why a build failed, as BuildKit's clients draw it: a status whose details hold the source.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gantry_build::{BuildError, Fault};
use gantry_dockerfile::{Lines, Source};
use prost::Message;
use serde_json::json;
use tonic::{Code, Status};

use crate::wire::google::rpc;

/// The text BuildKit's clients know a cancelled build by.
pub const CANCELLED: &str = "context canceled";

/// The type of the detail that holds a source and places in it.
const SOURCE_TYPE: &str = "github.com/moby/buildkit/errdefs.Source+json";

/// The status of a build that failed.
pub(super) fn status(error: &BuildError, source: Option<&Source>) -> Status {
    if error.is_cancelled() {
        return Status::cancelled(CANCELLED);
    }
    let lines = match &*error.fault {
        Fault::Dockerfile(fault) => &fault.lines,
        _ => &error.lines,
    };
    let text = gantry_errors::chain(error).to_string();
    match source {
        Some(source) if !lines.is_empty() => with_source(text, source, lines),
        _ => Status::unknown(text),
    }
}

/// A status that shows lines of a source.
fn with_source(text: String, source: &Source, lines: &[Lines]) -> Status {
    let place = |line: usize| json!({ "line": line });
    let ranges: Vec<_> = lines
        .iter()
        .map(|lines| json!({ "start": place(lines.first), "end": place(lines.last) }))
        .collect();
    let detail = json!({
        "info": {
            "filename": source.name(),
            "data": STANDARD.encode(source.text()),
            "language": "Dockerfile",
        },
        "ranges": ranges,
    });
    let details = rpc::Status {
        code: Code::Unknown.into(),
        message: text.clone(),
        details: vec![prost_types::Any {
            type_url: SOURCE_TYPE.to_owned(),
            value: detail.to_string().into_bytes(),
        }],
    };
    Status::with_details(Code::Unknown, text, details.encode_to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_goes_with_the_status_as_recorded() {
        let source = Source::new("D.syn", b"FROM base:1\nRUNN echo first\n");
        let error = gantry_dockerfile::Dockerfile::parse(&source).unwrap_err();
        let status = status(&BuildError::new(error), Some(&source));
        assert_eq!(status.code(), Code::Unknown);
        assert_eq!(
            status.message(),
            "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)"
        );
        let details = rpc::Status::decode(status.details()).unwrap();
        assert_eq!(details.message, status.message());
        let detail = &details.details[0];
        assert_eq!(detail.type_url, SOURCE_TYPE);
        let value: serde_json::Value = serde_json::from_slice(&detail.value).unwrap();
        assert_eq!(
            value,
            json!({
                "info": {
                    "filename": "D.syn",
                    "data": "RlJPTSBiYXNlOjEKUlVOTiBlY2hvIGZpcnN0Cg==",
                    "language": "Dockerfile",
                },
                "ranges": [{ "start": { "line": 2 }, "end": { "line": 2 } }],
            })
        );
    }

    #[test]
    fn a_cancelled_build_is_told_apart() {
        let status = status(&BuildError::new(Fault::Cancelled), None);
        assert_eq!(
            (status.code(), status.message()),
            (Code::Cancelled, CANCELLED)
        );
    }
}
