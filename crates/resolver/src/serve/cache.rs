//! Answers of upstream servers, kept for as long as they say, and not for long: a container that asks
//! for the same name again and again asks once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::message::{Lifetimes, renumber};

/// More answers than this are not kept; the shim is small.
const ANSWERS_MAX: usize = 64;
/// Longer answers are not kept, in bytes.
const ANSWER_MAX: usize = 1232;
/// No answer is kept longer, so that a server that is mended is asked soon.
const KEPT_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Kept {
    answer: Vec<u8>,
    lifetimes: Lifetimes,
    since: Instant,
    until: Instant,
}

/// By the whole query but its number: servers are asked with the client's own words.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<Vec<u8>, Kept>);

fn key(query: &[u8]) -> Option<&[u8]> {
    query.get(2..)
}

impl Cache {
    /// The answer to a query under the client's number, as old as it is.
    pub(super) fn find(&self, query: &[u8], id: u16, now: Instant) -> Option<Vec<u8>> {
        let kept = self.0.get(key(query)?).filter(|kept| now < kept.until)?;
        let mut answer = kept.answer.clone();
        let age = now.saturating_duration_since(kept.since).as_secs();
        kept.lifetimes
            .age(&mut answer, u32::try_from(age).unwrap_or(u32::MAX));
        renumber(&mut answer, id);
        Some(answer)
    }

    pub(super) fn keep(&mut self, query: &[u8], answer: &[u8], now: Instant) {
        let (Some(key), Some(lifetimes)) = (key(query), Lifetimes::of(answer)) else {
            return;
        };
        let lasts = Duration::from_secs(lifetimes.shortest_s().into()).min(KEPT_MAX);
        if lasts.is_zero() || answer.len() > ANSWER_MAX {
            return;
        }
        if self.0.len() >= ANSWERS_MAX {
            self.0.retain(|_, kept| now < kept.until);
        }
        if self.0.len() < ANSWERS_MAX {
            let kept = Kept {
                answer: answer.to_vec(),
                lifetimes,
                since: now,
                until: now + lasts,
            };
            self.0.insert(key.to_vec(), kept);
        }
    }

    /// Whom to ask has changed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::message::Query;
    use crate::message::tests::query;

    #[test]
    fn answers_are_kept_for_a_while_and_grow_old() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        let message = query("example.org", 1, None);
        let asked = Query::parse(&message).unwrap();
        let answer = asked.reply_addresses(&[Ipv4Addr::LOCALHOST], 512);
        cache.keep(&message, &answer, start);
        let later = start + Duration::from_secs(10);
        let found = cache.find(&message, 7, later).unwrap();
        assert!(asked.is_answered_by(7, &found));
        assert_eq!(Lifetimes::of(&found).unwrap().shortest_s(), 590);
        assert!(cache.find(&message, 7, start + KEPT_MAX).is_none());
        assert!(
            cache
                .find(&query("example.net", 1, None), 7, later)
                .is_none()
        );
        for n in 0..200 {
            cache.keep(&query(&format!("n{n}"), 1, None), &answer, start);
        }
        assert_eq!(cache.0.len(), ANSWERS_MAX);
        cache.clear();
        assert!(cache.find(&message, 7, later).is_none());
    }
}
