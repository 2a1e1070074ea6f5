//! One subscriber's view of the journal.

use super::{Cursor, Event, Journal, JournalError};
use crate::event::journal::Reader;
use crate::filter::Filter;

/// What a subscriber is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// An event it asked for.
    Event(Cursor, Event),
    /// Events may have been missed (the journal was rotated past a slow reader); what follows begins
    /// after the cursor.
    Gap(Cursor),
}

/// Events after a place, filtered.
#[derive(Debug)]
pub(crate) struct Subscription {
    journal: Journal,
    reader: Reader,
    filter: Filter,
}

impl Subscription {
    /// Everything that happens from now on.
    pub(crate) fn from_now(journal: &Journal, filter: Filter) -> (Cursor, Self) {
        let head = journal.head();
        let subscription = Self::at(journal, head.sequence, filter);
        (head, subscription)
    }

    /// Everything after `cursor`; `None` when the journal does not hold that any more.
    pub(crate) fn resume(journal: &Journal, cursor: &Cursor, filter: Filter) -> Option<Self> {
        journal
            .holds(cursor)
            .then(|| Self::at(journal, cursor.sequence, filter))
    }

    fn at(journal: &Journal, sequence: u64, filter: Filter) -> Self {
        Self {
            journal: journal.clone(),
            reader: journal.reader(sequence),
            filter,
        }
    }

    /// Waits for the next thing to deliver. A damaged record counts as a gap of one.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) async fn next(&mut self) -> Result<Delivery, JournalError> {
        loop {
            match self.reader.next().await {
                Ok(Ok((cursor, event))) => {
                    if self.filter.matches(&event) {
                        return Ok(Delivery::Event(cursor, event));
                    }
                }
                Ok(Err(_)) => return Ok(Delivery::Gap(self.journal.head())),
                Err(JournalError::Damaged(sequence)) => {
                    tracing::error!(sequence, "a journal record is damaged");
                    return Ok(Delivery::Gap(self.journal.cursor(sequence)));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
