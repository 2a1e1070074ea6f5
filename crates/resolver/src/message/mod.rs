//! DNS messages (RFC 1035 section 4): queries read, answers written.
//!
//! Only what a stub resolver sends is understood: one question, no compression in it, an OPT record
//! (RFC 6891) behind it. Every length is checked; nothing is allocated by a number in the message.

use std::net::IpAddr;

mod lifetime;

pub use lifetime::Lifetimes;

/// Length of the header in bytes.
const HEADER: usize = 12;
/// The longest name in bytes (RFC 1035 section 2.3.4), length bytes counted.
const NAME_MAX: usize = 255;
/// The longest label.
const LABEL_MAX: usize = 63;
/// The longest answer over UDP to a client that says nothing else.
const UDP_MIN: usize = 512;
/// The longest that is sent over UDP at all, and what is told to clients; the way is a loopback.
const UDP_MAX: usize = 4096;
/// Offset of the question's name, as a compression pointer.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, 12];
/// How long an answer may be kept, in seconds; dockerd's.
const TTL_SECONDS: u32 = 600;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;
const TYPE_OPT: u16 = 41;

const QR: u8 = 0x80;
const TC: u8 = 0x02;
const RD: u8 = 0x01;
const RA: u8 = 0x80;
const OPCODE: u8 = 0x78;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A name of an address.
    Ptr,
    /// Anything else.
    Other(u16),
}

impl Kind {
    fn of(number: u16) -> Self {
        match number {
            1 => Self::A,
            12 => Self::Ptr,
            28 => Self::Aaaa,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ptr => 12,
            Self::Aaaa => 28,
            Self::Other(number) => number,
        }
    }
}

/// How a query went (RFC 1035 section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rcode {
    /// Fine; without answers: the name exists, but has nothing of this kind.
    NoError = 0,
    /// The query cannot be read.
    FormatError = 1,
    /// No server could be asked.
    ServerFailure = 2,
    /// An operation or class that nobody here does.
    NotImplemented = 4,
}

/// A query that can be answered or passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    id: u16,
    recursion: bool,
    /// Name, type and class as they came.
    question: Vec<u8>,
    /// The name in lower case without its last dot; a dot within a label is written `\.`.
    pub name: String,
    /// What is asked for.
    pub kind: Kind,
    /// The client's UDP size, if it sent an OPT record.
    extended: Option<u16>,
}

/// Why a datagram is not a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAQuery {
    /// Too short to answer, or itself an answer: to be dropped.
    Drop,
    /// To be answered with this message.
    Refuse(Vec<u8>),
}

impl Query {
    /// Reads a message that a client has sent.
    ///
    /// # Errors
    /// [`NotAQuery`], with the answer where one is due.
    pub fn parse(message: &[u8]) -> Result<Self, NotAQuery> {
        let header: &[u8; HEADER] = message.first_chunk().ok_or(NotAQuery::Drop)?;
        let [i0, i1, flags, _, q0, q1, ..] = *header;
        if flags & QR != 0 {
            return Err(NotAQuery::Drop);
        }
        let refuse = |rcode| Err(NotAQuery::Refuse(bare(header, rcode)));
        if flags & OPCODE != 0 {
            return refuse(Rcode::NotImplemented);
        }
        if u16::from_be_bytes([q0, q1]) != 1 {
            return refuse(Rcode::FormatError);
        }
        let Some(question) = Question::read(&message[HEADER..]) else {
            return refuse(Rcode::FormatError);
        };
        if !matches!(question.class, CLASS_IN | CLASS_ANY) {
            return refuse(Rcode::NotImplemented);
        }
        let rest = HEADER + question.length;
        let Ok(extended) = extension(header, message.get(rest..).unwrap_or_default()) else {
            return refuse(Rcode::FormatError);
        };
        Ok(Self {
            id: u16::from_be_bytes([i0, i1]),
            recursion: flags & RD != 0,
            question: message[HEADER..rest].to_vec(),
            name: question.name,
            kind: Kind::of(question.kind),
            extended,
        })
    }

    /// The client's number for this query.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Is an address asked for?
    #[must_use]
    pub fn is_for_address(&self) -> bool {
        matches!(self.kind, Kind::A | Kind::Aaaa)
    }

    /// How long an answer over UDP may be, in bytes.
    #[must_use]
    pub fn udp_limit(&self) -> usize {
        let wanted = usize::from(self.extended.unwrap_or_default());
        wanted.clamp(UDP_MIN, UDP_MAX)
    }

    /// An answer without records.
    #[must_use]
    pub fn reply(&self, rcode: Rcode) -> Vec<u8> {
        self.reply_with(rcode, &[], usize::MAX)
    }

    /// The addresses of the name asked for that are of the family asked for, as many as fit; the client
    /// is told if some do not.
    #[must_use]
    pub fn reply_addresses<A: Copy + Into<IpAddr>>(
        &self,
        addresses: &[A],
        limit: usize,
    ) -> Vec<u8> {
        let octets = |address: &A| match ((*address).into(), self.kind) {
            (IpAddr::V4(address), Kind::A) => Some(address.octets().to_vec()),
            (IpAddr::V6(address), Kind::Aaaa) => Some(address.octets().to_vec()),
            _ => None,
        };
        let records: Vec<_> = addresses.iter().filter_map(octets).collect();
        self.reply_with(Rcode::NoError, &records, limit)
    }

    /// The name of the address asked for; without it where it is no DNS name.
    #[must_use]
    pub fn reply_name(&self, name: &str, limit: usize) -> Vec<u8> {
        let records: Vec<_> = encode_name(name).into_iter().collect();
        self.reply_with(Rcode::NoError, &records, limit)
    }

    fn reply_with(&self, rcode: Rcode, records: &[Vec<u8>], limit: usize) -> Vec<u8> {
        let option_length = if self.extended.is_some() { 11 } else { 0 };
        let mut answers = Vec::new();
        let mut count = 0_u16;
        for data in records {
            let record = self.record(data);
            let length = HEADER + self.question.len() + answers.len() + record.len();
            if length + option_length > limit || count == u16::MAX {
                break;
            }
            answers.extend_from_slice(&record);
            count += 1;
        }
        let cut = usize::from(count) < records.len();
        let mut message = Vec::with_capacity(HEADER + self.question.len() + answers.len() + 11);
        message.extend_from_slice(&self.id.to_be_bytes());
        let flags = QR | if cut { TC } else { 0 } | if self.recursion { RD } else { 0 };
        message.extend_from_slice(&[flags, RA | rcode as u8, 0, 1]);
        message.extend_from_slice(&count.to_be_bytes());
        message.extend_from_slice(&[0, 0, 0, u8::from(self.extended.is_some())]);
        message.extend_from_slice(&self.question);
        message.extend_from_slice(&answers);
        if self.extended.is_some() {
            let [size_high, size_low] = u16::try_from(UDP_MAX).unwrap_or(u16::MAX).to_be_bytes();
            let [type_high, type_low] = TYPE_OPT.to_be_bytes();
            message.extend_from_slice(&[0, type_high, type_low, size_high, size_low]);
            message.extend_from_slice(&[0; 6]);
        }
        message
    }

    fn record(&self, data: &[u8]) -> Vec<u8> {
        let mut record = POINTER_TO_QUESTION.to_vec();
        record.extend_from_slice(&self.kind.number().to_be_bytes());
        record.extend_from_slice(&CLASS_IN.to_be_bytes());
        record.extend_from_slice(&TTL_SECONDS.to_be_bytes());
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        record.extend_from_slice(&length.to_be_bytes());
        record.extend_from_slice(data);
        record
    }

    /// Whether `answer`, from an upstream server, belongs to this query asked under `id`.
    #[must_use]
    pub fn is_answered_by(&self, id: u16, answer: &[u8]) -> bool {
        let Some(header) = answer.first_chunk::<HEADER>() else {
            return false;
        };
        let [i0, i1, flags, _, q0, q1, ..] = *header;
        let question = answer.get(HEADER..HEADER + self.question.len());
        u16::from_be_bytes([i0, i1]) == id
            && flags & QR != 0
            && u16::from_be_bytes([q0, q1]) == 1
            && question.is_some_and(|q| q.eq_ignore_ascii_case(&self.question))
    }
}

/// Gives a message another number.
pub fn renumber(message: &mut [u8], id: u16) {
    if let Some(number) = message.first_chunk_mut::<2>() {
        *number = id.to_be_bytes();
    }
}

/// Does this answer say that the server could not or would not answer (SERVFAIL, REFUSED)?
#[must_use]
pub fn is_failure(answer: &[u8]) -> bool {
    matches!(answer.get(3).map(|byte| byte & 0x0f), Some(2 | 5) | None)
}

/// An answer that is only a header.
fn bare(query: &[u8; HEADER], rcode: Rcode) -> Vec<u8> {
    let mut answer = vec![0; HEADER];
    answer[..2].copy_from_slice(&query[..2]);
    answer[2] = QR | query[2] & (OPCODE | RD);
    answer[3] = RA | rcode as u8;
    answer
}

struct Question {
    name: String,
    kind: u16,
    class: u16,
    /// In bytes, type and class counted.
    length: usize,
}

impl Question {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut name = Vec::new();
        let mut at = 0;
        loop {
            let length = usize::from(*bytes.get(at)?);
            if length == 0 {
                break;
            }
            if length > LABEL_MAX || at + length + 2 > NAME_MAX {
                return None;
            }
            if !name.is_empty() {
                name.push(b'.');
            }
            for byte in bytes.get(at + 1..=at + length)? {
                if *byte == b'.' {
                    name.push(b'\\');
                }
                name.push(byte.to_ascii_lowercase());
            }
            at += length + 1;
        }
        let [k0, k1, c0, c1] = *bytes.get(at + 1..)?.first_chunk()?;
        Some(Self {
            name: String::from_utf8_lossy(&name).into_owned(),
            kind: u16::from_be_bytes([k0, k1]),
            class: u16::from_be_bytes([c0, c1]),
            length: at + 5,
        })
    }
}

/// The UDP size in the OPT record among the records behind the question.
fn extension(header: &[u8; HEADER], mut rest: &[u8]) -> Result<Option<u16>, ()> {
    let counts = header[6..].chunks_exact(2);
    let records: u32 = counts
        .map(|count| u32::from(u16::from_be_bytes([count[0], count[1]])))
        .sum();
    for _ in 0..records {
        rest = skip_name(rest).ok_or(())?;
        let [t0, t1, s0, s1, _, _, _, _, l0, l1] = *rest.first_chunk::<10>().ok_or(())?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        rest = rest.get(10 + length..).ok_or(())?;
        if u16::from_be_bytes([t0, t1]) == TYPE_OPT {
            return Ok(Some(u16::from_be_bytes([s0, s1])));
        }
    }
    Ok(None)
}

/// Past a name that may end in a compression pointer.
fn skip_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, rest) = bytes.split_first()?;
        match length {
            0 => return Some(rest),
            length if length & 0xc0 == 0xc0 => return rest.get(1..),
            length if usize::from(*length) <= LABEL_MAX => {
                bytes = rest.get(usize::from(*length)..)?;
            }
            _ => return None,
        }
    }
}

/// A name as labels; `None` if it is none.
fn encode_name(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if length == 0 || usize::from(length) > LABEL_MAX {
            return None;
        }
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    (bytes.len() <= NAME_MAX).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
