//! One object of a list: its fields as text, and the labels that only a template asks for.

use serde_json::{Map, Value};

use super::json::go_compact;

/// The key of a row that holds its labels; no field of a list has this name.
pub(super) const LABELS: &str = "\u{1}labels";

/// One object of a list.
#[derive(Debug)]
pub(crate) struct Row(pub(super) Value);

impl Row {
    pub(crate) fn new<const N: usize>(mut fields: [(&'static str, Value); N]) -> Self {
        // Go sorts the keys of the map it prints as JSON.
        fields.sort_by_key(|(name, _)| *name);
        Self(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// Adds the labels that `.Label "name"` looks in.
    pub(crate) fn with_labels(mut self, labels: &Value) -> Self {
        if let Value::Object(fields) = &mut self.0 {
            fields.insert(LABELS.to_owned(), labels.clone());
        }
        self
    }

    /// Adds a field that only some lists show.
    pub(crate) fn with(mut self, field: &str, text: String) -> Self {
        if let Value::Object(fields) = &mut self.0 {
            fields.insert(field.to_owned(), text.into());
        }
        self
    }

    /// As `--format json` shows it.
    pub(super) fn json(&self) -> String {
        row_json(&self.0)
    }
}

/// A row's fields without the labels that only `.Label` sees.
pub(super) fn row_json(row: &Value) -> String {
    let shown = row
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != LABELS);
    let shown: Map<String, Value> = shown
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    go_compact(&Value::Object(shown))
}
