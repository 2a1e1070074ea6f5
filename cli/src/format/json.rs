//! JSON as Go's encoder writes it.

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// One line, `<`, `>` and `&` escaped as `json.Marshal` does.
pub(crate) fn go_compact(value: &Value) -> String {
    escape_html(&plain_compact(value))
}

/// One line, nothing escaped that need not be.
pub(crate) fn plain_compact(value: &Value) -> String {
    value.to_string()
}

/// Four spaces a level, as `docker inspect` prints.
pub(crate) fn go_pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    value
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .expect("JSON values serialise");
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn escape_html(text: &str) -> String {
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text.to_owned();
    }
    text.chars()
        .fold(String::with_capacity(text.len() + 16), |mut out, c| {
            match c {
                '<' => out.push_str("\\u003c"),
                '>' => out.push_str("\\u003e"),
                '&' => out.push_str("\\u0026"),
                '\u{2028}' => out.push_str("\\u2028"),
                '\u{2029}' => out.push_str("\\u2029"),
                other => out.push(other),
            }
            out
        })
}

/// Go's `strconv.Quote`.
pub(crate) fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_escapes_markup() {
        let value = serde_json::json!({"Ports": "0.0.0.0:1->2/tcp"});
        assert_eq!(go_compact(&value), r#"{"Ports":"0.0.0.0:1-\u003e2/tcp"}"#);
        assert_eq!(plain_compact(&value), r#"{"Ports":"0.0.0.0:1->2/tcp"}"#);
    }
}
