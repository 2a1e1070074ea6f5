//! Netlink messages (`struct nlmsghdr`): what is sent, and how a datagram of answers is taken apart.

use crate::attribute::{Attributes, Malformed, attributes, nul_terminated};
use crate::error::Refusal;
use rustix::io::Errno;

pub(crate) const HEADER: usize = 16;
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

pub(crate) const REQUEST: u16 = 0x1;
pub(crate) const ACK: u16 = 0x4;
/// The list changed while the kernel wrote it.
const DUMP_INTERRUPTED: u16 = 0x10;
/// The answer repeats only the header of the request.
const CAPPED: u16 = 0x100;
/// Attributes with words follow the request in an error answer.
const ACK_TLVS: u16 = 0x200;
/// `NLM_F_ROOT | NLM_F_MATCH`.
pub(crate) const DUMP: u16 = 0x300;
/// Fail if the object exists.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// Replace an object that exists.
pub(crate) const REPLACE: u16 = 0x100;
/// Make the object if it does not exist.
pub(crate) const CREATE: u16 = 0x400;
/// Add at the end of a list.
pub(crate) const APPEND: u16 = 0x800;

/// `NLMSGERR_ATTR_MSG`.
const ERROR_ATTRIBUTE_TEXT: u16 = 1;

/// A message to be sent; its sequence number is the socket's affair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) what: String,
    body: Vec<u8>,
}

impl Message {
    /// A request `kind`; `what` says in an error text what was asked for (`add rule to chain x`);
    /// `fixed` is the family's own header (`struct ifinfomsg` …), a multiple of four bytes long.
    #[must_use]
    pub fn new(kind: u16, flags: u16, what: impl Into<String>, fixed: &[u8]) -> Self {
        debug_assert_eq!(fixed.len() % 4, 0, "attributes are aligned to four bytes");
        Self {
            kind,
            flags: flags | REQUEST,
            what: what.into(),
            body: fixed.to_vec(),
        }
    }

    /// The same with attributes after what is there.
    #[must_use]
    pub fn with(mut self, fill: impl FnOnce(&mut Attributes)) -> Self {
        let mut attributes = Attributes::new();
        fill(&mut attributes);
        self.body.extend_from_slice(attributes.as_bytes());
        self
    }

    /// Header and body with a sequence number.
    pub(crate) fn encode(&self, sequence: u32, extra_flags: u16, datagram: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + self.body.len()).expect("bodies are far below 4 GiB");
        datagram.extend_from_slice(&length.to_ne_bytes());
        datagram.extend_from_slice(&self.kind.to_ne_bytes());
        datagram.extend_from_slice(&(self.flags | extra_flags).to_ne_bytes());
        datagram.extend_from_slice(&sequence.to_ne_bytes());
        datagram.extend_from_slice(&0_u32.to_ne_bytes());
        datagram.extend_from_slice(&self.body);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
    }
}

/// One message from the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// The request with this sequence number was carried out.
    Done,
    /// It was refused.
    Refused(Refusal),
    /// The end of a list.
    End,
    /// An object: its message type, and everything after the header.
    Object {
        /// `RTM_NEWLINK` …
        kind: u16,
        /// Fixed header and attributes.
        body: &'a [u8],
        /// The list changed meanwhile: ask again.
        interrupted: bool,
    },
    /// Nothing to be read.
    Nothing,
}

/// Takes a datagram apart: sequence number and answer of each message. Ends after the first error.
pub(crate) fn answers(
    datagram: &[u8],
) -> impl Iterator<Item = Result<(u32, Answer<'_>), Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = split_first(rest);
        rest = split.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(split.map(|(answer, _)| answer))
    })
}

type Split<'a> = ((u32, Answer<'a>), &'a [u8]);

fn split_first(bytes: &[u8]) -> Result<Split<'_>, Malformed> {
    let (header, _) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or(Malformed("message header"))?;
    let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    let body = bytes
        .get(HEADER..length)
        .ok_or(Malformed("message length"))?;
    let kind = u16::from_ne_bytes([k0, k1]);
    let flags = u16::from_ne_bytes([f0, f1]);
    let answer = match kind {
        NLMSG_NOOP => Answer::Nothing,
        NLMSG_OVERRUN => return Err(Malformed("overrun")),
        NLMSG_ERROR => acknowledgement(body, flags)?,
        NLMSG_DONE => end(body)?,
        kind => Answer::Object {
            kind,
            body,
            interrupted: flags & DUMP_INTERRUPTED != 0,
        },
    };
    let next = length.next_multiple_of(4).min(bytes.len());
    Ok((
        (u32::from_ne_bytes([s0, s1, s2, s3]), answer),
        &bytes[next..],
    ))
}

/// The end of a list carries an error number where making the list failed.
fn end(body: &[u8]) -> Result<Answer<'static>, Malformed> {
    match body
        .first_chunk::<4>()
        .map(|code| i32::from_ne_bytes(*code))
    {
        Some(code) if code < 0 => Ok(Answer::Refused(Refusal {
            errno: errno(code)?,
            message: None,
        })),
        _ => Ok(Answer::End),
    }
}

fn errno(code: i32) -> Result<Errno, Malformed> {
    match code.checked_neg() {
        Some(errno @ 1..=4095) => Ok(Errno::from_raw_os_error(errno)),
        _ => Err(Malformed("error number")),
    }
}

/// `struct nlmsgerr`: error number, the request's header, its body unless capped, words.
fn acknowledgement(body: &[u8], flags: u16) -> Result<Answer<'static>, Malformed> {
    let (code, request) = body
        .split_first_chunk::<4>()
        .ok_or(Malformed("acknowledgement"))?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return Ok(Answer::Done);
    }
    let message = if flags & ACK_TLVS == 0 {
        None
    } else {
        words(request, flags)
    };
    Ok(Answer::Refused(Refusal {
        errno: errno(code)?,
        message,
    }))
}

fn words(request: &[u8], flags: u16) -> Option<String> {
    let repeated = if flags & CAPPED == 0 {
        let length = u32::from_ne_bytes(*request.first_chunk::<4>()?);
        usize::try_from(length).ok()?.checked_next_multiple_of(4)?
    } else {
        HEADER
    };
    attributes(request.get(repeated..)?)
        .map_while(Result::ok)
        .find(|(kind, _)| *kind == ERROR_ATTRIBUTE_TEXT)
        .map(|(_, text)| nul_terminated(text))
}

#[cfg(test)]
mod tests;
