//! `--platform os[/arch[/variant]]`.

use anyhow::{Result, bail};
use serde_json::{Map, Value};

/// The JSON that newer calls of the API take for a platform.
pub(crate) fn platform_json(text: &str) -> Result<String> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 3 || parts.iter().any(|part| part.is_empty()) {
        bail!("invalid platform: \"{text}\": the form is os[/arch[/variant]]");
    }
    let keys = ["os", "architecture", "variant"];
    let fields: Map<String, Value> = keys
        .iter()
        .zip(&parts)
        .map(|(key, part)| ((*key).to_owned(), Value::from(*part)))
        .collect();
    Ok(Value::Object(fields).to_string())
}
