//! JSON as Go reads and writes it.
//!
//! Owns the three manners in which `encoding/json` differs from serde and which stock clients
//! rely on: `null` means "leave the zero value" for every type, keys match without regard to case,
//! and nil and empty slices are told apart when written ([`List`], [`Map`]). Unknown fields are
//! ignored, a later key overrides an earlier one, and an error names the field.
//!
//! It does not read Go struct tags' rarer options (`,string`), which the Engine API never uses.

mod collections;
mod de;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use collections::{Empty, List, Map};
pub use de::JsonError;

/// A request body that can be read from JSON with Go's manners.
///
/// Every deserialisable type is one; a type whose fields are spread over one JSON object together
/// with another's (`CreateRequest`) implements it by reading the object more than once.
pub trait FromBody: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// [`JsonError`], naming the field, when a type does not fit.
    fn from_body(value: &Value) -> Result<Self, JsonError>;
}

impl<T: DeserializeOwned> FromBody for T {
    fn from_body(value: &Value) -> Result<Self, JsonError> {
        from_value(value)
    }
}

/// Parses `bytes` and reads a `T` from them.
///
/// # Errors
/// [`JsonError`] for text that is not JSON and for a field of the wrong type.
pub fn from_slice<T: FromBody>(bytes: &[u8]) -> Result<T, JsonError> {
    T::from_body(&parse(bytes)?)
}

/// Parses `bytes` without asking for a type.
///
/// # Errors
/// [`JsonError`] for text that is not JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(bytes).map_err(|e| JsonError::syntax(&e))
}

/// Reads a `T` from a parsed value.
///
/// # Errors
/// [`JsonError`] for a field of the wrong type.
pub fn from_value<'de, T: Deserialize<'de>>(value: &'de Value) -> Result<T, JsonError> {
    T::deserialize(de::Go(value))
}

/// Go's `strslice.StrSlice`: a list of strings, or one string that stands for a list of one.
///
/// # Errors
/// The deserializer's own, for anything else.
pub fn str_slice<'de, D: serde::Deserializer<'de>>(from: D) -> Result<List<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(List::default()),
        Value::String(one) => Ok(List::from(vec![one])),
        value => from_value(&value).map_err(serde::de::Error::custom),
    }
}
