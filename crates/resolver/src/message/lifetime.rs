//! How long an upstream server's answer may be kept (RFC 1035 section 3.2.1, RFC 2308), and the same
//! answer some time later.

use super::{HEADER, Question, TC, TYPE_OPT, skip_name};

/// Where an answer's lifetimes stand, and the shortest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    offsets: Vec<usize>,
    shortest_s: u32,
}

impl Lifetimes {
    /// Of an answer that may be kept: whole, with records, and neither a failure nor malformed.
    #[must_use]
    pub fn of(answer: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = answer.first_chunk()?;
        let (is_cut, rcode) = (header[2] & TC != 0, header[3] & 0x0f);
        if is_cut || !matches!(rcode, 0 | 3) {
            return None;
        }
        let counts = header[6..].chunks_exact(2);
        let records: u32 = counts
            .map(|count| u32::from(u16::from_be_bytes([count[0], count[1]])))
            .sum();
        let mut rest = answer.get(HEADER + Question::read(&answer[HEADER..])?.length..)?;
        let (mut offsets, mut shortest_s) = (Vec::new(), u32::MAX);
        for _ in 0..records {
            rest = skip_name(rest)?;
            let [t0, t1, _, _, a, b, c, d, l0, l1] = *rest.first_chunk::<10>()?;
            if u16::from_be_bytes([t0, t1]) != TYPE_OPT {
                offsets.push(answer.len() - rest.len() + 4);
                shortest_s = shortest_s.min(u32::from_be_bytes([a, b, c, d]));
            }
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            rest = rest.get(10 + length..)?;
        }
        (!offsets.is_empty()).then_some(Self {
            offsets,
            shortest_s,
        })
    }

    /// In seconds.
    #[must_use]
    pub fn shortest_s(&self) -> u32 {
        self.shortest_s
    }

    /// Makes an answer as it is after so many seconds.
    pub fn age(&self, answer: &mut [u8], seconds: u32) {
        for offset in &self.offsets {
            let field = answer
                .get_mut(*offset..)
                .and_then(<[u8]>::first_chunk_mut::<4>);
            if let Some(field) = field {
                *field = u32::from_be_bytes(*field)
                    .saturating_sub(seconds)
                    .to_be_bytes();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::message::Query;
    use crate::message::tests::query;

    #[test]
    fn lifetimes_are_found_and_shrink() {
        let query = Query::parse(&query("a.b", 1, Some(1232))).unwrap();
        let mut answer = query.reply_addresses(&[Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST], 512);
        let lifetimes = Lifetimes::of(&answer).unwrap();
        assert_eq!((lifetimes.shortest_s(), lifetimes.offsets.len()), (600, 2));
        lifetimes.age(&mut answer, 100);
        assert_eq!(Lifetimes::of(&answer).unwrap().shortest_s(), 500);
        lifetimes.age(&mut answer, 1000);
        assert_eq!(Lifetimes::of(&answer).unwrap().shortest_s(), 0);
    }

    #[test]
    fn failures_and_torn_answers_are_not_kept() {
        let query = Query::parse(&query("a.b", 1, None)).unwrap();
        let answer = query.reply_addresses(&[Ipv4Addr::LOCALHOST], 512);
        assert!(Lifetimes::of(&answer[..answer.len() - 1]).is_none());
        let with = |index: usize, byte: u8| {
            let mut changed = answer.clone();
            changed[index] |= byte;
            Lifetimes::of(&changed)
        };
        assert!(with(2, TC).is_none() && with(3, 2).is_none() && with(3, 3).is_some());
        assert!(Lifetimes::of(&query.reply(crate::message::Rcode::NoError)).is_none());
    }
}
