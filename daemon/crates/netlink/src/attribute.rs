//! Netlink attributes (`struct nlattr`): a 4-byte header of length and kind, a payload, padding to 4.

/// Set on attributes that hold attributes.
pub(crate) const NESTED: u16 = 0x8000;
/// Everything of the kind but its two flags (nested, network byte order).
const KIND_MASK: u16 = 0x3fff;
const HEADER: usize = 4;

/// Attributes being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes as the kernel reads them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends a payload as it is.
    ///
    /// # Panics
    /// If the payload is longer than an attribute can say (65,531 bytes): callers split long lists.
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        let length = u16::try_from(HEADER + payload.len()).expect("callers split long lists");
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(payload);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Appends a string with its final NUL.
    pub fn string(&mut self, kind: u16, text: &str) -> &mut Self {
        let mut payload = Vec::with_capacity(text.len() + 1);
        payload.extend_from_slice(text.as_bytes());
        payload.push(0);
        self.bytes(kind, &payload)
    }

    /// Appends one byte.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// Appends a number in the machine's byte order, as rtnetlink wants.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Appends a number in network byte order, as netfilter wants.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Appends an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new();
        fill(&mut inner);
        self.bytes(kind | NESTED, &inner.0)
    }
}

/// An answer of the kernel was cut short or contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink answer: {0}")]
pub struct Malformed(pub &'static str);

/// Reads attributes one by one: kind without its flags, and payload. Ends after the first error.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Malformed>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = split_first(rest);
        rest = split.map_or(&[], |(_, _, rest)| rest);
        Some(split.map(|(kind, payload, _)| (kind, payload)))
    })
}

type Split<'a> = (u16, &'a [u8], &'a [u8]);

fn split_first(bytes: &[u8]) -> Result<Split<'_>, Malformed> {
    let (header, _) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(Malformed("attribute header"))?;
    let [l0, l1, k0, k1] = *header;
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    let payload = bytes
        .get(HEADER..length)
        .ok_or(Malformed("attribute length"))?;
    let next = length.next_multiple_of(4).min(bytes.len());
    Ok((
        u16::from_ne_bytes([k0, k1]) & KIND_MASK,
        payload,
        &bytes[next..],
    ))
}

/// A payload of four bytes in the machine's order.
pub fn u32_of(payload: &[u8]) -> Result<u32, Malformed> {
    payload
        .try_into()
        .map(u32::from_ne_bytes)
        .map_err(|_| Malformed("number"))
}

/// A string up to its NUL (or its end), made printable.
#[must_use]
pub fn nul_terminated(payload: &[u8]) -> String {
    let end = payload
        .iter()
        .position(|b| *b == 0)
        .unwrap_or(payload.len());
    String::from_utf8_lossy(&payload[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_attributes_are_read_back() {
        let mut written = Attributes::new();
        written.string(3, "eth0").u32(4, 1500).nest(18, |inner| {
            inner.u8(1, 7).be32(2, 1);
        });
        let read: Vec<_> = attributes(written.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read[0], (3, &b"eth0\0"[..]));
        assert_eq!(u32_of(read[1].1), Ok(1500));
        assert_eq!(read[2].0, 18, "the nested flag is not part of the kind");
        let inner: Vec<_> = attributes(read[2].1).collect::<Result<_, _>>().unwrap();
        assert_eq!(inner, [(1, &[7][..]), (2, &[0, 0, 0, 1][..])]);
    }

    #[test]
    fn every_prefix_of_a_message_ends_in_an_error_or_early_and_never_panics() {
        let mut written = Attributes::new();
        written.string(1, "a name").nest(2, |inner| {
            inner.u32(1, 5);
        });
        for cut in 0..written.as_bytes().len() {
            let read = attributes(&written.as_bytes()[..cut]).count();
            assert!(read <= 2);
        }
    }

    #[test]
    fn a_length_shorter_than_its_header_is_refused_and_ends_the_list() {
        let read: Vec<_> = attributes(&[2, 0, 1, 0, 9, 9, 9, 9]).collect();
        assert_eq!(read, [Err(Malformed("attribute length"))]);
    }
}
