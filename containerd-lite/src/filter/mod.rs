//! containerd's filter language: which objects or events a caller wants.
//!
//! ```text
//! filter   = selector *( "," selector )        all must hold
//! selector = field [ ("==" | "!=" | "~=") value ]   without an operator: the field is present
//! field    = name *( "." (name | quoted) )
//! value    = quoted | text without "," and blanks; after "~=" also |regex| or /regex/
//! ```
//!
//! A list of filters matches what any of them matches; an empty list matches everything.

mod parse;

use std::borrow::Cow;

use gantry_errors::{Classify, ErrorKind};
use regex_lite::Regex;

/// Why a text is no filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// It breaks the grammar.
    #[error("filters: parse error in {text:?} at byte {at}: expected {expected}: invalid argument")]
    Syntax {
        /// The filter.
        text: String,
        /// Where it breaks.
        at: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// The pattern after `~=` is no regular expression.
    #[error("filters: pattern {pattern:?}: invalid argument")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: regex_lite::Error,
    },
}

impl Classify for FilterError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
}

/// Something a filter can look at.
pub(crate) trait Fields {
    /// The value at a path (`["labels", "a.b"]`); `None` where there is none.
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>>;
}

/// A list of filters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter(Vec<Vec<Selector>>);

#[derive(Clone, Debug)]
struct Selector {
    path: Vec<String>,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present,
    Equal(String),
    NotEqual(String),
    Matches(Regex),
}

impl Filter {
    /// Parses a list of filters.
    ///
    /// # Errors
    /// One of them breaks the grammar.
    pub(crate) fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, FilterError> {
        texts
            .iter()
            .map(|text| parse::selectors(text.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the list wants `object`.
    pub(crate) fn matches(&self, object: &impl Fields) -> bool {
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|all| all.iter().all(|selector| selector.matches(object)))
    }
}

impl Selector {
    fn matches(&self, object: &impl Fields) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let value = object.field(&path);
        match &self.test {
            Test::Present => value.is_some(),
            Test::Equal(wanted) => value.is_some_and(|value| value == wanted.as_str()),
            Test::NotEqual(unwanted) => value.is_none_or(|value| value != unwanted.as_str()),
            Test::Matches(pattern) => value.is_some_and(|value| pattern.is_match(&value)),
        }
    }
}

#[cfg(test)]
mod tests;
