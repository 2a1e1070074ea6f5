//! What `/system/df` answers, by kinds of objects.

use serde_json::Value;

/// The objects of one kind.
pub(super) fn list<'a>(usage: &'a Value, key: &str) -> Vec<&'a Value> {
    usage[key].as_array().into_iter().flatten().collect()
}
