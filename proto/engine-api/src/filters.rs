//! The `filters` parameter of lists, prunes and events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Filters: values by name. Values of one name are alternatives, names add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// A `filters` parameter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Neither `{"name":{"value":true}}` nor `{"name":["value"]}`.
    #[error("invalid filter: {0}")]
    Malformed(String),
    /// A name the endpoint does not know.
    #[error("invalid filter '{0}'")]
    UnknownName(String),
    /// A value the endpoint cannot use.
    #[error("invalid filter '{name}={value}'")]
    InvalidValue {
        /// The filter.
        name: String,
        /// Its value.
        value: String,
    },
}

impl Filters {
    /// Reads the parameter; an empty one is no filter. Both forms are accepted, that of today
    /// (a map of sets) and that of clients before 1.22 (a map of lists).
    ///
    /// # Errors
    /// [`FilterError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let malformed = |what: &str| FilterError::Malformed(what.to_owned());
        let value: Value =
            serde_json::from_str(text).map_err(|e| FilterError::Malformed(e.to_string()))?;
        let Value::Object(names) = value else {
            return Err(malformed("not an object"));
        };
        let mut filters = Self::default();
        for (name, values) in names {
            let set = filters.0.entry(name).or_default();
            match values {
                Value::Object(values) => set.extend(values.into_iter().map(|(value, _)| value)),
                Value::Array(values) => {
                    for value in values {
                        let Value::String(value) = value else {
                            return Err(malformed("a value is not a string"));
                        };
                        set.insert(value);
                    }
                }
                Value::Null => {}
                _ => return Err(malformed("values are neither a map nor a list")),
            }
        }
        Ok(filters)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0
            .entry(name.to_owned())
            .or_default()
            .insert(value.to_owned());
    }

    /// The values of a name, none if it was not given.
    pub fn get<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether the name was given.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Refuses names that the endpoint does not know.
    ///
    /// # Errors
    /// [`FilterError::UnknownName`], for the first of them.
    pub fn only(&self, known: &[&str]) -> Result<(), FilterError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(FilterError::UnknownName(name.clone())),
            None => Ok(()),
        }
    }

    /// Whether the name was not given, or one of its values is `candidate`.
    #[must_use]
    pub fn allows(&self, name: &str, candidate: &str) -> bool {
        self.allows_by(name, |value| value == candidate)
    }

    /// Whether the name was not given, or one of its values satisfies `matches`.
    pub fn allows_by(&self, name: &str, matches: impl Fn(&str) -> bool) -> bool {
        self.0
            .get(name)
            .is_none_or(|values| values.is_empty() || values.iter().any(|value| matches(value)))
    }

    /// Whether every `key` or `key=value` given under `name` is among the labels.
    pub fn allows_labels<'a, F>(&self, name: &str, label: F) -> bool
    where
        F: Fn(&str) -> Option<&'a str>,
    {
        self.get(name).all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => label(key) == Some(value),
            None => label(wanted).is_some(),
        })
    }

    /// A yes-or-no filter such as `dangling`, if it was given.
    ///
    /// # Errors
    /// [`FilterError::InvalidValue`] if it is neither, or both.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, FilterError> {
        let mut flag = None;
        for value in self.get(name) {
            let read = match value.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => true,
                "0" | "f" | "false" => false,
                _ => return Err(self.invalid_list(name)),
            };
            if flag.is_some_and(|other| other != read) {
                return Err(self.invalid_list(name));
            }
            flag = Some(read);
        }
        Ok(flag)
    }

    /// The error for values of which one cannot be used: Go prints them as a list.
    fn invalid_list(&self, name: &str) -> FilterError {
        let all: Vec<_> = self.get(name).collect();
        self.invalid(name, &format!("[{}]", all.join(" ")))
    }

    /// The error for a value that cannot be used.
    #[must_use]
    pub fn invalid(&self, name: &str, value: &str) -> FilterError {
        FilterError::InvalidValue {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    /// The parameter's text, as today's clients send it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let set = |values: &BTreeSet<String>| {
            values
                .iter()
                .map(|value| (value.clone(), Value::Bool(true)))
                .collect()
        };
        let names = self
            .0
            .iter()
            .map(|(name, values)| (name.clone(), Value::Object(set(values))));
        Value::Object(names.collect()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let today = Filters::parse(r#"{"label":{"a=b":true,"c":true}}"#).unwrap();
        assert_eq!(Filters::parse(r#"{"label":["c","a=b"]}"#).unwrap(), today);
        assert_eq!(Filters::parse(&today.to_json()).unwrap(), today);
    }

    #[test]
    fn labels_add_up_and_values_are_alternatives() {
        let filters = Filters::parse(r#"{"label":["a=b","c"],"status":["x","y"]}"#).unwrap();
        let labels = |key: &str| {
            [("a", "b"), ("c", "")]
                .iter()
                .find(|l| l.0 == key)
                .map(|l| l.1)
        };
        assert!(filters.allows_labels("label", labels));
        assert!(!filters.allows_labels("label", |key| (key == "c").then_some("")));
        assert!(filters.allows("status", "y") && !filters.allows("status", "z"));
        assert!(filters.allows("name", "anything"));
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["[]", "1", "{", r#"{"a":1}"#, r#"{"a":[1]}"#] {
            assert!(
                matches!(Filters::parse(text), Err(FilterError::Malformed(_))),
                "{text}"
            );
        }
        let filters = Filters::parse(r#"{"dangling":["maybe"]}"#).unwrap();
        assert_eq!(
            filters.flag("dangling").unwrap_err().to_string(),
            "invalid filter 'dangling=[maybe]'"
        );
        assert!(filters.only(&["label"]).is_err());
    }
}
