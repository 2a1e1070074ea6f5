//! `--filter key=value`: the API's `{"key": {"value": true}}`.

use std::str::FromStr;

use serde_json::{Map, Value};

/// One `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    key: String,
    value: String,
}

impl Filter {
    /// `until=…`, which volumes cannot be chosen by.
    pub(crate) fn is_until(&self) -> bool {
        self.key == "until"
    }

    pub(crate) fn new(key: &str, value: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) => Ok(Self {
                key: key.trim().to_lowercase(),
                value: value.trim().to_owned(),
            }),
            None => Err("bad format of filter (expected name=value)".to_owned()),
        }
    }
}

/// The `filters` parameter; `None` without any filter.
pub(crate) fn filters(given: &[Filter]) -> Option<String> {
    let mut all = Map::new();
    for filter in given {
        let values = all
            .entry(&filter.key)
            .or_insert_with(|| Value::Object(Map::new()));
        values[&filter.value] = Value::Bool(true);
    }
    (!all.is_empty()).then(|| Value::Object(all).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_key_gather() {
        let given: Vec<Filter> = ["label=a=b", "label=c", "Name = x "]
            .map(|text| text.parse().unwrap())
            .into();
        let want = r#"{"label":{"a=b":true,"c":true},"name":{"x":true}}"#;
        assert_eq!(filters(&given).as_deref(), Some(want));
        assert_eq!(filters(&[]), None);
        assert!("x".parse::<Filter>().is_err());
    }
}
