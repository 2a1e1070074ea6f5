//! What the json-file driver writes as `attrs` into each line: the labels and variables that its
//! options name.

use super::{model::Record, spec::process};

/// The encoded object; none where the options name nothing.
#[must_use]
pub(super) fn of(record: &Record) -> Option<String> {
    let options = &record.host.log_config.config;
    let mut attrs = serde_json::Map::new();
    for key in list(options.get("labels")) {
        if let Some(value) = record.config.labels.get(key) {
            attrs.insert(key.to_owned(), value.as_str().into());
        }
    }
    let env = process::environment(record, &[]);
    for key in list(options.get("env")) {
        let value = env
            .iter()
            .find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='));
        if let Some(value) = value {
            attrs.insert(key.to_owned(), value.into());
        }
    }
    if let Some(tag) = options.get("tag").filter(|tag| !tag.is_empty()) {
        attrs.insert("tag".to_owned(), expand(tag, record).into());
    }
    (!attrs.is_empty()).then(|| serde_json::Value::from(attrs).to_string())
}

fn list(option: Option<&String>) -> impl Iterator<Item = &str> {
    option
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|key| !key.is_empty())
}

/// The templates that `--log-opt tag` documents.
fn expand(tag: &str, record: &Record) -> String {
    tag.replace("{{.ID}}", record.id.short())
        .replace("{{.FullID}}", record.id.as_str())
        .replace("{{.Name}}", record.name.as_str())
        .replace("{{.ImageName}}", &record.config.image)
        .replace("{{.ImageFullID}}", &record.image.to_string())
        .replace("{{.ImageID}}", &record.image.short())
}
