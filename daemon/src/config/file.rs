//! `daemon.json`.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::{Map, Value};

use super::merge::Values;
use super::options::{Kind, OPTIONS, Opt};

/// What can be wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("read it")]
    Read(#[source] std::io::Error),
    /// It is no JSON.
    #[error("invalid JSON")]
    Syntax(#[source] serde_json::Error),
    /// It is JSON, and no object.
    #[error("invalid JSON: not an object")]
    NotAnObject,
    /// Keys that dockerd does not know either.
    #[error("the following directives don't match any configuration option: {}", .0.join(", "))]
    UnknownKeys(Vec<String>),
    /// A value of the wrong type.
    #[error("{key}: expected {expected}")]
    Type {
        /// Which key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

/// Reads the file; a missing one is an error only if it was `named`.
pub(super) fn read(path: &Path, named: bool) -> Result<Values, FileError> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes),
        Err(error) if error.kind() == ErrorKind::NotFound && !named => Ok(Values::default()),
        Err(error) => Err(FileError::Read(error)),
    }
}

/// Reads the file's text; an empty one is no configuration, as in dockerd.
pub(super) fn parse(bytes: &[u8]) -> Result<Values, FileError> {
    let bytes = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii();
    if bytes.is_empty() {
        return Ok(Values::default());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(FileError::Syntax)?;
    let Value::Object(mut entries) = value else {
        return Err(FileError::NotAnObject);
    };
    rewrite_old_keys(&mut entries);
    let known = |key: &String| OPTIONS.iter().any(|opt| opt.key == *key);
    let mut unknown: Vec<_> = entries.keys().filter(|key| !known(key)).cloned().collect();
    if !unknown.is_empty() {
        unknown.sort();
        return Err(FileError::UnknownKeys(unknown));
    }
    let mut values = Values::default();
    for opt in OPTIONS.iter().filter(|opt| !opt.key.is_empty()) {
        if let Some(value) = entries.remove(opt.key).filter(|value| !value.is_null()) {
            values.add(opt, typed(opt, value)?);
        }
    }
    Ok(values)
}

/// Keys that dockerd reads in an older place: TLS options in an object of their own, one address
/// where there is a list now.
fn rewrite_old_keys(entries: &mut Map<String, Value>) {
    if let Some(Value::Object(tls)) = entries.remove("tls-options") {
        entries.extend(tls);
    }
    if let Some(address @ Value::String(_)) = entries.remove("host-gateway-ip") {
        entries.insert("host-gateway-ips".to_owned(), Value::Array(vec![address]));
    }
}

fn typed(opt: &'static Opt, value: Value) -> Result<Value, FileError> {
    let (fits, expected) = match opt.kind {
        Kind::Bool => (value.is_boolean(), "true or false"),
        Kind::Text => (value.is_string(), "a string"),
        Kind::Int => (value.is_i64(), "a whole number"),
        Kind::Bytes => (value.is_i64() || value.is_string(), "a size"),
        Kind::List => {
            let fits = value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string));
            (fits, "a list of strings")
        }
        Kind::Map | Kind::Object => (value.is_object() || value.is_array(), "an object"),
    };
    if fits {
        Ok(value)
    } else {
        Err(FileError::Type {
            key: opt.key,
            expected,
        })
    }
}
