//! What checks found, as buildx prints it and as BuildKit's `lint` request answers it; the stages of
//! a file as its `targets` request does.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::ast::Dockerfile;
use crate::evaluate::Report;
use crate::source::{Lines, Source};

impl Report {
    /// The text of `docker build --check`.
    #[must_use]
    pub fn to_text(&self, source: &Source) -> String {
        let mut text = match self.warnings.len() {
            0 => "Check complete, no warnings found.\n".to_owned(),
            1 => "Check complete, 1 warning has been found!\n".to_owned(),
            count => format!("Check complete, {count} warnings have been found!\n"),
        };
        for warning in &self.warnings {
            let _ = write!(text, "\nWARNING: {}", warning.rule.name());
            if let Some(url) = warning.rule.url() {
                let _ = write!(text, " - {url}");
            }
            let _ = writeln!(text, "\n{}", warning.message);
            text.push_str(&source.excerpt(&[warning.lines], None));
        }
        if let Some(error) = &self.error {
            let _ = write!(text, "\nERROR: {error}\n{}", error.excerpt(source));
        }
        text
    }

    /// The answer to the `frontend.lint` request.
    #[must_use]
    pub fn to_json(&self, source: &Source) -> Value {
        let warnings: Vec<Value> = self
            .warnings
            .iter()
            .map(|warning| {
                let mut json = json!({
                    "ruleName": warning.rule.name(),
                    "description": warning.rule.description(),
                    "detail": warning.message,
                    "location": location(&[warning.lines]),
                });
                if let Some(url) = warning.rule.url() {
                    json["url"] = json!(url);
                }
                json
            })
            .collect();
        let data = STANDARD.encode(source.text());
        let mut json = json!({
            "warnings": if warnings.is_empty() { Value::Null } else { json!(warnings) },
            "sources": [{ "filename": source.name(), "data": data, "language": "Dockerfile" }],
        });
        if let Some(error) = &self.error {
            json["buildError"] = json!({
                "message": error.to_string(),
                "location": location(&error.lines),
            });
        }
        json
    }
}

impl Dockerfile {
    /// The answer to the `frontend.targets` request: the stages with their descriptions.
    #[must_use]
    pub fn targets(&self, source: &Source) -> Value {
        let last = self.stages.len().saturating_sub(1);
        let targets = self.stages.iter().enumerate().map(|(number, stage)| {
            let from = &stage.from;
            let mut json = json!({ "base": from.base, "location": location(&[from.text.lines]) });
            if let Some(name) = &from.name {
                json["name"] = json!(name);
                let described = from
                    .text
                    .comments
                    .iter()
                    .find_map(|comment| comment.strip_prefix(name.as_str())?.strip_prefix(' '));
                if let Some(description) = described {
                    json["description"] = json!(description);
                }
            }
            if let Some(platform) = &from.platform {
                json["platform"] = json!(platform);
            }
            if number == last {
                json["default"] = json!(true);
            }
            json
        });
        let targets: Vec<Value> = targets.collect();
        json!({ "targets": targets, "sources": [STANDARD.encode(source.text())] })
    }
}

/// Lines one by one, as BuildKit tells them.
fn location(lines: &[Lines]) -> Value {
    let each = lines.iter().flat_map(|lines| lines.first..=lines.last);
    let ranges: Vec<Value> = each
        .map(|line| json!({ "start": { "line": line }, "end": { "line": line } }))
        .collect();
    json!({ "ranges": ranges })
}
