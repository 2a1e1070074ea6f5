//! What is told in headers: a session's offer, and patterns of files.

use http::HeaderMap;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

use super::Methods;

const ID: &str = "x-docker-expose-session-uuid";
const SHARED_KEY: &str = "x-docker-expose-session-sharedkey";
const METHOD: &str = "x-docker-expose-session-grpc-method";

/// The longest name of a session, bytes.
const ID_BYTES_MAX: usize = 128;

/// What a client says when it opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The session's name, drawn by the client.
    pub id: String,
    /// Stands for the place the client builds: what it sent last time may be used again. May be
    /// empty.
    pub shared_key: String,
    /// What may be called, `/package.Service/Method`.
    pub methods: Methods,
}

impl Offer {
    /// Reads the headers of `POST /session`, or of a call that carries a session; none if they name no
    /// session.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text(ID).filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX)?;
        let methods = headers.get_all(METHOD).iter();
        Some(Self {
            id: id.to_owned(),
            shared_key: text(SHARED_KEY).unwrap_or_default().to_owned(),
            methods: methods
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect(),
        })
    }
}

/// Adds values under a key. Text that no header can hold is escaped, and the peer told so.
pub(super) fn add(metadata: &mut MetadataMap, key: &'static str, values: &[String]) {
    let is_plain = |text: &String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_encoded = !values.iter().all(is_plain);
    for value in values {
        let text = if is_encoded {
            escape(value)
        } else {
            value.clone()
        };
        let value = AsciiMetadataValue::try_from(text).expect("printable");
        metadata.append(key, value);
    }
    if is_encoded {
        let key = format!("{key}-encoded");
        let key = AsciiMetadataKey::from_bytes(key.as_bytes()).expect("a key and a suffix");
        metadata.insert(key, AsciiMetadataValue::from_static("1"));
    }
}

/// Escapes as a form's field is (`application/x-www-form-urlencoded`).
fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_from_recorded_headers() {
        let mut headers = HeaderMap::new();
        headers.append(ID, "i67r48efvctimexb31tsfe8xm".parse().expect("a value"));
        headers.append(SHARED_KEY, "ctx:b7528c78f4bcce99".parse().expect("a value"));
        for method in [
            "/moby.filesync.v1.FileSync/DiffCopy",
            "/grpc.health.v1.Health/Check",
        ] {
            headers.append(METHOD, method.parse().expect("a value"));
        }
        let offer = Offer::from_headers(&headers).expect("it names a session");
        assert_eq!(offer.id, "i67r48efvctimexb31tsfe8xm");
        assert_eq!(offer.shared_key, "ctx:b7528c78f4bcce99");
        assert_eq!(offer.methods.len(), 2);
        assert_eq!(Offer::from_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn text_beyond_ascii_is_escaped_and_the_peer_told() {
        let mut metadata = MetadataMap::new();
        add(&mut metadata, "followpaths", &["a b".to_owned()]);
        add(
            &mut metadata,
            "exclude-patterns",
            &["ä/ b%".to_owned(), "x\ny".to_owned()],
        );
        let values = |key: &str| -> Vec<String> {
            let all = metadata.get_all(key);
            let texts = all.iter().map(|value| value.to_str().expect("text"));
            texts.map(str::to_owned).collect()
        };
        assert_eq!(values("followpaths"), ["a b"]);
        assert_eq!(values("followpaths-encoded"), [""; 0]);
        assert_eq!(values("exclude-patterns"), ["%C3%A4%2F+b%25", "x%0Ay"]);
        assert_eq!(values("exclude-patterns-encoded"), ["1"]);
    }
}
