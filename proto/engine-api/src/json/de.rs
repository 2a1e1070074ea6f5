//! A deserializer over `serde_json::Value` that reads as Go's `encoding/json` does.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map as Object, Value};

/// Text that is not JSON, or a value whose type does not fit its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// From the innermost field outwards.
    path: Vec<String>,
    message: String,
}

impl JsonError {
    pub(super) fn syntax(error: &serde_json::Error) -> Self {
        Self {
            path: Vec::new(),
            message: error.to_string(),
        }
    }

    /// The field the value was meant for, as `HostConfig.Ulimits[0].Soft`; empty for the whole.
    #[must_use]
    pub fn field(&self) -> String {
        let mut text = String::new();
        for segment in self.path.iter().rev() {
            if !text.is_empty() && !segment.starts_with('[') {
                text.push('.');
            }
            text.push_str(segment);
        }
        text
    }

    /// The same error, seen from the object that holds the value as `segment`.
    #[must_use]
    pub fn within(mut self, segment: &str) -> Self {
        self.path.push(segment.to_owned());
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field(), self.message)
        }
    }
}

impl std::error::Error for JsonError {}

impl de::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            path: Vec::new(),
            message: message.to_string(),
        }
    }
}

/// A value on its way into a type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Go<'de>(pub(super) &'de Value);

impl<'de> Go<'de> {
    /// Lets serde's own deserializer decide for anything but null, which is `zero`.
    fn scalar<V, F>(self, visitor: V, zero: F) -> Result<V::Value, JsonError>
    where
        V: Visitor<'de>,
        F: FnOnce(V) -> Result<V::Value, JsonError>,
    {
        if self.0.is_null() {
            zero(visitor)
        } else {
            self.deserialize_any(visitor)
        }
    }
}

impl<'de> IntoDeserializer<'de, JsonError> for Go<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! scalars {
    ($($method:ident => $visit:ident($zero:expr);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            self.scalar(visitor, |v| v.$visit($zero))
        }
    )*};
}

impl<'de> Deserializer<'de> for Go<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(elements) => elements_of(elements, visitor),
            Value::Object(entries) => entries_of(entries, visitor),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(n), _, _) => visitor.visit_u64(n),
                (None, Some(n), _) => visitor.visit_i64(n),
                (None, None, Some(n)) => visitor.visit_f64(n),
                (None, None, None) => Err(de::Error::custom("number out of range")),
            },
        }
    }

    scalars! {
        deserialize_bool => visit_bool(false);
        deserialize_i8 => visit_i64(0);
        deserialize_i16 => visit_i64(0);
        deserialize_i32 => visit_i64(0);
        deserialize_i64 => visit_i64(0);
        deserialize_u8 => visit_u64(0);
        deserialize_u16 => visit_u64(0);
        deserialize_u32 => visit_u64(0);
        deserialize_u64 => visit_u64(0);
        deserialize_f32 => visit_f64(0.0);
        deserialize_f64 => visit_f64(0.0);
        deserialize_str => visit_str("");
        deserialize_string => visit_str("");
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.scalar(visitor, |v| elements_of(&[], v))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.scalar(visitor, |v| {
            v.visit_map(MapDeserializer::new(std::iter::empty::<(Go, Go)>()))
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.0 {
            Value::Null => visitor.visit_map(Entries::of(std::iter::empty())),
            Value::Object(entries) => visitor.visit_map(Entries::of(matching(entries, fields))),
            // serde would read a list as the fields in their order.
            Value::Array(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let text = self.0.as_str().unwrap_or_default();
        StrDeserializer::new(text).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// Reads a list; an element's error is told with its index.
fn elements_of<'de, V: Visitor<'de>>(
    elements: &'de [Value],
    visitor: V,
) -> Result<V::Value, JsonError> {
    let mut index = 0_usize;
    let counted = elements.iter().inspect(|_| index += 1).map(Go);
    let read = visitor.visit_seq(SeqDeserializer::new(counted));
    read.map_err(|e| e.within(&format!("[{}]", index.saturating_sub(1))))
}

/// Reads a map whose keys are data, null values included.
fn entries_of<'de, V: Visitor<'de>>(
    entries: &'de Object<String, Value>,
    visitor: V,
) -> Result<V::Value, JsonError> {
    let entries = entries.iter().map(|(key, value)| (key.as_str(), value));
    visitor.visit_map(Entries::of(entries))
}

/// Keys and their values, read in Go's way.
struct Entries<'de, I> {
    left: I,
    current: Option<(&'de str, &'de Value)>,
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> Entries<'de, I> {
    fn of(left: I) -> Self {
        Self {
            left,
            current: None,
        }
    }
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> MapAccess<'de> for Entries<'de, I> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, JsonError> {
        self.current = self.left.next();
        let key = self
            .current
            .map(|(key, _)| seed.deserialize(StrDeserializer::new(key)));
        key.transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, JsonError> {
        let (key, value) = self
            .current
            .take()
            .expect("a key was read before its value");
        seed.deserialize(Go(value)).map_err(|e| e.within(key))
    }
}

/// The entries of an object that are fields of a struct: matched without regard to case, the last
/// of several taken, nulls left out (serde's default is Go's zero value).
fn matching<'de>(
    entries: &'de Object<String, Value>,
    fields: &'static [&'static str],
) -> impl Iterator<Item = (&'de str, &'de Value)> {
    let mut found: Vec<Option<&'de Value>> = vec![None; fields.len()];
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
        let exact = fields.iter().position(|field| field == key);
        let index = exact.or_else(|| fields.iter().position(|f| f.eq_ignore_ascii_case(key)));
        if let Some(index) = index {
            found[index] = Some(value);
        }
    }
    let named = fields.iter().zip(found);
    named.filter_map(|(field, value)| value.map(|value| (*field, value)))
}
