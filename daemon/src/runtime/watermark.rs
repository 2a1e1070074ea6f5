//! How far the supervisor's journal has been handled: the place from which a restarted engine goes on.
//!
//! Entries are handled by many owners at once and end in any order. The place that may be written is
//! the one before the oldest entry that somebody still works on; an entry before it is never asked
//! for again, one after it may be handled twice, which its owner notices.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::events::Cause;

/// The place; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watermark {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest entry that has come.
    last: Option<Cause>,
    /// Entries that are worked on, and by how many.
    pending: BTreeMap<u64, usize>,
}

/// Somebody works on an entry until this is dropped.
#[derive(Debug)]
pub struct Pending {
    state: Arc<Mutex<State>>,
    sequence: u64,
}

impl Watermark {
    /// Nothing up to `at` is asked for again.
    pub fn begin_at(&self, at: Cause) {
        *self.lock() = State {
            last: Some(at),
            pending: BTreeMap::new(),
        };
    }

    /// An entry has come, and is worked on.
    #[must_use]
    pub fn take(&self, entry: &Cause) -> Pending {
        let mut state = self.lock();
        state.last = Some(entry.clone());
        self.pending(&mut state, entry.sequence)
    }

    /// An entry has come that means nothing.
    pub fn pass(&self, entry: &Cause) {
        self.lock().last = Some(entry.clone());
    }

    /// Something begins whose entries must be seen again unless it comes to its end: the place stays
    /// before all entries that are still to come.
    #[must_use]
    pub fn hold(&self) -> Pending {
        let mut state = self.lock();
        let next = state.last.as_ref().map_or(0, |last| last.sequence + 1);
        self.pending(&mut state, next)
    }

    fn pending(&self, state: &mut State, sequence: u64) -> Pending {
        *state.pending.entry(sequence).or_default() += 1;
        Pending {
            state: Arc::clone(&self.state),
            sequence,
        }
    }

    /// The newest entry that has come.
    #[must_use]
    pub fn last(&self) -> Option<Cause> {
        self.lock().last.clone()
    }

    /// The place to go on after; none before the first entry.
    #[must_use]
    pub fn place(&self) -> Option<Cause> {
        let state = self.lock();
        let last = state.last.clone()?;
        let oldest = state.pending.keys().next().copied();
        let handled = oldest.map_or(last.sequence, |oldest| oldest.saturating_sub(1));
        Some(Cause {
            sequence: handled.min(last.sequence),
            ..last
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = state.pending.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                state.pending.remove(&self.sequence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64) -> Cause {
        let journal = "j".to_owned();
        Cause { journal, sequence }
    }

    fn place(mark: &Watermark) -> u64 {
        mark.place().unwrap().sequence
    }

    #[test]
    fn the_oldest_entry_that_is_worked_on_holds_the_place() {
        let mark = Watermark::default();
        assert_eq!(mark.place(), None);
        mark.begin_at(entry(4));
        assert_eq!(place(&mark), 4);
        let (fifth, sixth) = (mark.take(&entry(5)), mark.take(&entry(6)));
        mark.pass(&entry(7));
        assert_eq!(place(&mark), 4);
        drop(sixth);
        assert_eq!(place(&mark), 4);
        drop(fifth);
        assert_eq!(place(&mark), 7);
    }

    #[test]
    fn a_start_under_way_keeps_what_comes() {
        let mark = Watermark::default();
        mark.begin_at(entry(9));
        let start = mark.hold();
        mark.pass(&entry(10));
        mark.pass(&entry(11));
        assert_eq!(place(&mark), 9);
        drop(start);
        assert_eq!(place(&mark), 11);
    }
}
