//! Identifiers, parsed once at the edge.
//!
//! containerd's rule for all of them (`pkg/identifiers`): letters, digits and single `.`, `_`, `-`
//! between them, at most 76 bytes. That also makes them safe as names of files.

use std::fmt;

use gantry_errors::{Classify, ErrorKind};
use serde::{Deserialize, Serialize};

/// Longest identifier, in bytes.
const MAX_LENGTH: usize = 76;

/// Why a text is no identifier.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// Nothing was given.
    #[error("{what} must not be empty: invalid argument")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// More than 76 bytes.
    #[error("{what} {text:?} greater than maximum length (76 characters): invalid argument")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// A character, or a place for it, that is not allowed.
    #[error(
        "{what} {text:?} must match ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$: invalid argument"
    )]
    Malformed {
        /// What was to be named.
        what: &'static str,
        /// What was given.
        text: String,
    },
}

impl Classify for NameError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }
}

fn check(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    let text_owned = || text.to_owned();
    if text.len() > MAX_LENGTH {
        let text = text_owned();
        return Err(NameError::TooLong { what, text });
    }
    let parts_are_words = text
        .split(['.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !parts_are_words {
        let text = text_owned();
        return Err(NameError::Malformed { what, text });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub(crate) struct $type(Box<str>);

        impl $type {
            /// Parses it.
            ///
            /// # Errors
            /// It breaks the rule above.
            pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
                check($what, text)?;
                Ok(Self(text.into()))
            }

        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.into()
            }
        }
    };
}

name!(
    /// A namespace: objects of one never meet those of another.
    Namespace,
    "namespace"
);
name!(
    /// A container's identifier within its namespace; its task has the same one.
    ContainerId,
    "identifier"
);
name!(
    /// An exec's identifier within its container.
    ExecId,
    "exec identifier"
);

impl Namespace {
    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl ContainerId {
    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A container everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Where it lives.
    pub(crate) namespace: Namespace,
    /// What it is called there.
    pub(crate) id: ContainerId,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::ContainerId;

    #[test]
    fn containerds_rule_holds() {
        for good in ["a", "0", "a.b-c_d", "default", &"a".repeat(76)] {
            assert!(ContainerId::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(77);
        for bad in [
            "", ".", "..", "a..b", "-a", "a-", "a/b", "a\0", "é", "a b", &long,
        ] {
            assert!(ContainerId::parse(bad).is_err(), "{bad}");
        }
    }
}
