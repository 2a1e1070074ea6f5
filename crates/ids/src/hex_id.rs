//! Identifiers of 64 hexadecimal digits: containers, execs, networks, endpoints.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} id {text:?}: not 64 hexadecimal digits")]
pub struct HexIdError {
    kind: &'static str,
    text: String,
}

/// Length of the short form that listings print.
const SHORT_LEN: usize = 12;

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Draws a new identifier from the kernel's random bytes.
            ///
            /// As docker does, one whose short form could be read as a number is drawn again: it
            /// would be mistaken for one where a host name may not be numeric.
            ///
            /// # Panics
            /// If the kernel gives no random bytes, which it does only before its pool is ready.
            #[must_use]
            pub fn generate() -> Self {
                loop {
                    let text = random_hex();
                    if !text[..SHORT_LEN].bytes().all(|digit| digit.is_ascii_digit()) {
                        return Self(text.into_boxed_str());
                    }
                }
            }

            /// All 64 digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first 12 digits, as listings print them.
            #[must_use]
            pub fn short(&self) -> &str {
                &self.0[..SHORT_LEN]
            }
        }

        impl FromStr for $name {
            type Err = HexIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_hex_id(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(HexIdError { kind: $kind, text: shorten(text) })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        serde_as_string!($name);
    };
}

hex_id!(
    /// The identifier of a container.
    ContainerId,
    "container"
);
hex_id!(
    /// The identifier of a process started in a running container.
    ExecId,
    "exec"
);
hex_id!(
    /// The identifier of a network.
    NetworkId,
    "network"
);
hex_id!(
    /// The identifier of a container's attachment to a network.
    EndpointId,
    "endpoint"
);

/// Whether `text` is 64 lower-case hexadecimal digits.
pub(crate) fn is_hex_id(text: &str) -> bool {
    text.len() == 64 && crate::is_hex_prefix(text)
}

/// Enough of a hostile text to recognise it in a message.
fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

fn random_hex() -> String {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the kernel has random bytes");
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_differ_and_parse_back() {
        let one = ContainerId::generate();
        let two = ContainerId::generate();
        assert_ne!(one, two);
        assert_eq!(one.to_string().parse::<ContainerId>(), Ok(one.clone()));
        assert_eq!(one.short().len(), 12);
        assert!(one.short().bytes().any(|digit| !digit.is_ascii_digit()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "abc",
            &"g".repeat(64),
            &"A".repeat(64),
            &"a".repeat(65),
            "é",
        ] {
            assert!(text.parse::<ContainerId>().is_err(), "{text}");
        }
    }
}
