//! D-Bus messages as bytes: as much of the "Message Protocol" of the D-Bus specification as calls to
//! systemd need.
//!
//! Everything is in the machine's own byte order, which is also that of whoever answers; a message
//! in the other order is refused. What comes in is read with bounds: a wrong length is an error, never
//! a panic.

/// Longest message that is read. systemd's answers are a few hundred bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The part of a message with a fixed length, which says how long the rest is.
pub(crate) const FIXED_BYTES: usize = 16;

const ORDER: u8 = if cfg!(target_endian = "little") {
    b'l'
} else {
    b'B'
};
const VERSION: u8 = 1;
const METHOD_CALL: u8 = 1;

/// Codes of header fields.
mod field {
    pub(super) const PATH: u8 = 1;
    pub(super) const INTERFACE: u8 = 2;
    pub(super) const MEMBER: u8 = 3;
    pub(super) const ERROR_NAME: u8 = 4;
    pub(super) const REPLY_SERIAL: u8 = 5;
    pub(super) const DESTINATION: u8 = 6;
    pub(super) const SIGNATURE: u8 = 8;
}

/// Bytes being written; alignment counts from the first.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend(value.to_ne_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend(value.to_ne_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.u32(value.into());
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.u32(length(text.len()));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    pub(crate) fn signature(&mut self, text: &str) {
        self.byte(
            u8::try_from(text.len()).expect("signatures are written in this crate, and short"),
        );
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// An array of what `fill` writes; its elements are aligned to `to`.
    pub(crate) fn array(&mut self, to: usize, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let at = self.bytes.len() - 4;
        // The padding before the first element does not count.
        self.align(to);
        let start = self.bytes.len();
        fill(self);
        let written = length(self.bytes.len() - start);
        self.bytes[at..at + 4].copy_from_slice(&written.to_ne_bytes());
    }

    fn text_field(&mut self, code: u8, kind: &str, text: &str) {
        self.align(8);
        self.byte(code);
        self.signature(kind);
        self.string(text);
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message of this crate is far below 4 GiB")
}

/// A method to call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method<'a> {
    /// `None` where there is no bus between.
    pub(crate) destination: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) member: &'a str,
}

/// A call as bytes; `signature` describes `body`.
pub(crate) fn call(serial: u32, method: Method<'_>, signature: &str, body: Writer) -> Vec<u8> {
    let body = body.into_bytes();
    let mut message = Writer::default();
    for byte in [ORDER, METHOD_CALL, 0, VERSION] {
        message.byte(byte);
    }
    message.u32(length(body.len()));
    message.u32(serial);
    message.array(8, |fields| {
        fields.text_field(field::PATH, "o", method.path);
        fields.text_field(field::INTERFACE, "s", method.interface);
        fields.text_field(field::MEMBER, "s", method.member);
        if let Some(destination) = method.destination {
            fields.text_field(field::DESTINATION, "s", destination);
        }
        if !signature.is_empty() {
            fields.align(8);
            fields.byte(field::SIGNATURE);
            fields.signature("g");
            fields.signature(signature);
        }
    });
    message.align(8);
    let mut bytes = message.into_bytes();
    bytes.extend(body);
    bytes
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Reply,
    Error,
    Signal,
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// The call that this answers.
    pub(crate) answers: Option<u32>,
    pub(crate) interface: String,
    pub(crate) member: String,
    pub(crate) error_name: String,
    pub(crate) signature: String,
    body: Vec<u8>,
}

impl Message {
    /// The length of the whole message that begins with these bytes; `None` if they are no message.
    pub(crate) fn length(fixed: &[u8; FIXED_BYTES]) -> Option<usize> {
        if fixed[0] != ORDER || fixed[3] != VERSION {
            return None;
        }
        let number = |at: usize| -> Option<usize> {
            let bytes = fixed[at..at + 4].try_into().ok()?;
            usize::try_from(u32::from_ne_bytes(bytes)).ok()
        };
        let fields = number(12)?.checked_next_multiple_of(8)?;
        let whole = FIXED_BYTES.checked_add(fields)?.checked_add(number(4)?)?;
        (whole <= MAX_BYTES).then_some(whole)
    }

    /// Reads a whole message; `None` if it is not one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED_BYTES] = bytes.get(..FIXED_BYTES)?.try_into().ok()?;
        if Self::length(fixed)? != bytes.len() {
            return None;
        }
        let kind = match fixed[1] {
            1 => Kind::Call,
            2 => Kind::Reply,
            3 => Kind::Error,
            4 => Kind::Signal,
            _ => return None,
        };
        let mut message = Self {
            kind,
            answers: None,
            interface: String::new(),
            member: String::new(),
            error_name: String::new(),
            signature: String::new(),
            body: Vec::new(),
        };
        let mut reader = Reader { bytes, at: 12 };
        let end = FIXED_BYTES + usize::try_from(reader.u32()?).ok()?;
        while reader.at < end {
            reader.align(8);
            let code = reader.byte()?;
            match reader.signature()?.as_str() {
                "u" => {
                    let number = reader.u32()?;
                    if code == field::REPLY_SERIAL {
                        message.answers = Some(number);
                    }
                }
                "g" => message.signature = reader.signature()?,
                "s" | "o" => {
                    let text = reader.string()?;
                    match code {
                        field::INTERFACE => message.interface = text,
                        field::MEMBER => message.member = text,
                        field::ERROR_NAME => message.error_name = text,
                        _ => {}
                    }
                }
                _ => return None,
            }
        }
        bytes
            .get(end.checked_next_multiple_of(8)?..)?
            .clone_into(&mut message.body);
        Some(message)
    }

    /// Reads the body.
    pub(crate) fn body(&self) -> Reader<'_> {
        Reader {
            bytes: &self.body,
            at: 0,
        }
    }
}

/// Bytes being read; `None` once they do not say what was asked for.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.align(4);
        self.take(4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    /// A string or an object's path.
    pub(crate) fn string(&mut self) -> Option<String> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.text(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let text = self.take(length)?.to_owned();
        (self.byte()? == 0).then_some(())?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STOP: Method<'_> = Method {
        destination: Some("org.freedesktop.systemd1"),
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member: "StopUnit",
    };

    fn stop() -> Vec<u8> {
        let mut body = Writer::default();
        body.string("a.scope");
        body.string("replace");
        call(7, STOP, "ss", body)
    }

    #[test]
    fn what_is_written_can_be_read() {
        let bytes = stop();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.kind, Kind::Call);
        assert_eq!(
            (message.member.as_str(), message.signature.as_str()),
            ("StopUnit", "ss")
        );
        let mut body = message.body();
        assert_eq!(body.string().as_deref(), Some("a.scope"));
        assert_eq!(body.string().as_deref(), Some("replace"));
        assert_eq!(body.string(), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_bytes_are_the_specification_s() {
        let mut body = Writer::default();
        body.array(8, |array| {
            array.align(8);
            array.string("k");
            array.signature("t");
            array.u64(1);
        });
        // Length without the padding to 8; struct; variant: signature, padding, number.
        let expected = [
            &24_u32.to_le_bytes()[..],
            &[0; 4],
            &1_u32.to_le_bytes(),
            b"k\0\x01t\0",
            &[0; 5][..],
            &[0, 0][..],
            &1_u64.to_le_bytes(),
        ]
        .concat();
        assert_eq!(body.into_bytes(), expected);
    }

    proptest! {
        /// Cut or damaged anywhere, a message is an error or another message, never a panic.
        #[test]
        fn damage_does_not_panic(at in 0_usize..200, value: u8, cut in 0_usize..200) {
            let mut bytes = stop();
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length - cut % length);
            if let Some(message) = Message::parse(&bytes) {
                let mut body = message.body();
                while body.string().is_some() {}
            }
        }
    }
}
