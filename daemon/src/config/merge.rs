//! Values of options by name, and how flags and file come together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::options::{Kind, OPTIONS, Opt};

/// Values by the option's name: its flag, or its key if it has no flag.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(BTreeMap<&'static str, Value>);

/// An option that stands in both places.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    name: String,
    flag: Value,
    file: Value,
}

impl Opt {
    /// The option's name among [`Values`].
    #[must_use]
    pub const fn name(&self) -> &'static str {
        if self.flag.is_empty() {
            self.key
        } else {
            self.flag
        }
    }
}

impl Values {
    /// Sets a value; lists and maps grow.
    pub(super) fn add(&mut self, opt: &'static Opt, value: Value) {
        match (self.0.get_mut(opt.name()), value) {
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new),
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
            (_, value) => {
                self.0.insert(opt.name(), value);
            }
        }
    }

    /// The value of an option, if it was given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Every value that was given.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// A text option; the empty text is none.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A switch.
    #[must_use]
    pub fn switch(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    /// A list of texts.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let elements = self.get(name).and_then(Value::as_array);
        let texts = elements.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// A map of texts.
    #[must_use]
    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        let entries = self.get(name).and_then(Value::as_object);
        let texts = entries.into_iter().flatten();
        texts
            .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect()
    }
}

/// Flags over file. Maps and lists of named things add up; anything else in both is a conflict.
pub(super) fn merge(flags: &Values, file: &Values) -> Result<Values, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    for opt in OPTIONS {
        if let (Some(flag), Some(file)) = (flags.get(opt.name()), file.get(opt.name()))
            && opt.kind != Kind::Map
        {
            let name = opt.key.to_owned();
            conflicts.push(Conflict {
                name,
                flag: flag.clone(),
                file: file.clone(),
            });
        }
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut merged = file.clone();
    for opt in OPTIONS {
        if let Some(value) = flags.get(opt.name()) {
            merged.add(opt, value.clone());
        }
    }
    Ok(merged)
}

/// dockerd's way of telling them: `debug: (from flag: true, from file: false), …`.
pub(super) fn list(conflicts: &[Conflict]) -> String {
    let mut text = String::new();
    for Conflict { name, flag, file } in conflicts {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(
            text,
            "{comma}{name}: (from flag: {}, from file: {})",
            told(flag),
            told(file)
        )
        .expect("a string takes any text");
    }
    text
}

fn told(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(told).collect();
            format!("[{}]", elements.join(" "))
        }
        other => other.to_string(),
    }
}
