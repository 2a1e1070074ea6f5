//! Values of unit properties: the D-Bus types that systemd's have, and reading them from text.

use crate::dbus::Writer;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `b`
    Bool(bool),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `x`
    I64(i64),
    /// `t`
    U64(u64),
    /// `s`
    Text(String),
    /// `au`
    Numbers(Vec<u32>),
    /// `ay`
    Bytes(Vec<u8>),
    /// `as`
    Texts(Vec<String>),
    /// `a(ss)`
    Pairs(Vec<(String, String)>),
}

impl Value {
    /// The D-Bus type.
    pub(crate) fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::I32(_) => "i",
            Self::U32(_) => "u",
            Self::I64(_) => "x",
            Self::U64(_) => "t",
            Self::Text(_) => "s",
            Self::Numbers(_) => "au",
            Self::Bytes(_) => "ay",
            Self::Texts(_) => "as",
            Self::Pairs(_) => "a(ss)",
        }
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        match self {
            Self::Bool(value) => to.bool(*value),
            Self::I32(value) => to.u32(value.cast_unsigned()),
            Self::U32(value) => to.u32(*value),
            Self::I64(value) => to.u64(value.cast_unsigned()),
            Self::U64(value) => to.u64(*value),
            Self::Text(value) => to.string(value),
            Self::Numbers(values) => to.array(4, |array| values.iter().for_each(|n| array.u32(*n))),
            Self::Bytes(values) => to.array(1, |array| values.iter().for_each(|b| array.byte(*b))),
            Self::Texts(values) => to.array(4, |array| values.iter().for_each(|s| array.string(s))),
            Self::Pairs(values) => to.array(8, |array| {
                for (one, other) in values {
                    array.align(8);
                    array.string(one);
                    array.string(other);
                }
            }),
        }
    }
}

/// A property from its name and GVariant's text form. `…Sec` in any unit of time is set, as runc does,
/// by its `…USec` twin, since transient units only have that.
pub(super) fn parse_property(name: &str, text: &str) -> Option<(String, Value)> {
    let value = parse(text.trim())?;
    let Some(stem) = name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) else {
        return Some((name.to_owned(), value));
    };
    let seconds = match value {
        Value::I32(n) => u64::try_from(n).ok()?,
        Value::U32(n) => n.into(),
        Value::I64(n) => u64::try_from(n).ok()?,
        Value::U64(n) => n,
        _ => return None,
    };
    Some((
        format!("{stem}USec"),
        Value::U64(seconds.checked_mul(1_000_000)?),
    ))
}

fn parse(text: &str) -> Option<Value> {
    if let Some(inside) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let texts = inside.split(',').map(|part| quoted(part.trim()));
        return texts.collect::<Option<_>>().map(Value::Texts);
    }
    match text.split_once(' ') {
        Some(("int32", number)) => number.trim().parse().ok().map(Value::I32),
        Some(("uint32", number)) => number.trim().parse().ok().map(Value::U32),
        Some(("int64", number)) => number.trim().parse().ok().map(Value::I64),
        Some(("uint64", number)) => number.trim().parse().ok().map(Value::U64),
        Some(("boolean", value)) => value.trim().parse().ok().map(Value::Bool),
        Some(("string", text)) => quoted(text.trim()).map(Value::Text),
        _ => match text {
            "true" | "false" => Some(Value::Bool(text == "true")),
            _ => quoted(text)
                .map(Value::Text)
                .or_else(|| text.parse().ok().map(Value::I32)),
        },
    }
}

/// A string between quotes of either kind; escapes are not understood.
fn quoted(text: &str) -> Option<String> {
    ['\'', '"'].iter().find_map(|quote| {
        let inside = text.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inside.contains([*quote, '\\', '\0'])).then(|| inside.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_gvariants() {
        let parse = |name, text| parse_property(name, text);
        let named = |name: &str, value| Some((name.to_owned(), value));
        assert_eq!(parse("A", "true"), named("A", Value::Bool(true)));
        assert_eq!(parse("A", "'x y'"), named("A", Value::Text("x y".into())));
        assert_eq!(parse("A", "uint64 7"), named("A", Value::U64(7)));
        assert_eq!(parse("A", "-7"), named("A", Value::I32(-7)));
        let list = Value::Texts(vec!["a".into(), "b".into()]);
        assert_eq!(parse("A", "['a', 'b']"), named("A", list));
        assert_eq!(
            parse("TimeoutStopSec", "uint32 3"),
            named("TimeoutStopUSec", Value::U64(3_000_000))
        );
        assert_eq!(
            parse("TimeoutStopUSec", "uint64 3"),
            named("TimeoutStopUSec", Value::U64(3))
        );
        for bad in ["", "x", "'a", "uint32 -1", "'a\\'b'", "[1"] {
            assert_eq!(parse("A", bad), None, "{bad}");
        }
    }
}
