//! Identifiers, names and references that every program parses at its edge.
//!
//! Owns the newtypes and their grammars, with the error texts docker's clients know. Pure: no I/O
//! but the kernel's random bytes where an identifier is drawn. Deliberately not here: what an
//! identifier points at, and whether it exists.
//!
//! Every type parses by [`FromStr`](std::str::FromStr), prints by `Display` and goes through serde
//! as that same string (an [`ExitStatus`] as its number).

mod digest;
mod engine;
mod exit;
mod hex_id;
mod name;
mod platform;
mod query;
mod random_name;
mod reference;
mod signal;

pub use digest::{Digest, DigestError, ImageId};
pub use engine::EngineId;
pub use exit::ExitStatus;
pub use hex_id::{ContainerId, EndpointId, ExecId, HexIdError, NetworkId};
pub use name::{ContainerName, NameError, VolumeName};
pub use platform::{Platform, PlatformError};
pub use query::{ImageQuery, is_hex_prefix};
pub use random_name::random_name;
pub use reference::{ImageRef, ReferenceError};
pub use signal::{Signal, SignalError};

/// Serialises a type as its `Display` text and reads it back by `FromStr`.
macro_rules! serde_as_string {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_string;
