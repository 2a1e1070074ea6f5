//! An opaque value with the name of its type, as protobuf's `Any` carries it.

use serde::{Deserialize, Serialize};

/// Somebody else's message: kept and passed on, never looked into here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Typed {
    /// The type's URL.
    pub(crate) url: String,
    /// The encoded value.
    #[serde(with = "base64_bytes")]
    pub(crate) value: Vec<u8>,
}

impl From<&Typed> for prost_types::Any {
    fn from(typed: &Typed) -> Self {
        Self {
            type_url: typed.url.clone(),
            value: typed.value.clone(),
        }
    }
}

impl From<prost_types::Any> for Typed {
    fn from(any: prost_types::Any) -> Self {
        Self {
            url: any.type_url,
            value: any.value,
        }
    }
}

pub(crate) mod base64_bytes {
    //! Bytes as base64 in JSON records.

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
