//! The end of a build before its time: one token that every step and every port of the build hears.

use std::sync::{Arc, Mutex, PoisonError};

/// A token that is cancelled once and for all. Clones are the same token.
///
/// Synchronous code asks [`Self::is_cancelled`] between two pieces of work; what waits registers
/// with [`Self::on_cancel`], which is also how an asynchronous adapter is woken.
#[derive(Clone, Default)]
pub struct Cancel {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_cancelled: bool,
    next: u64,
    wakers: Vec<(u64, Box<dyn FnOnce() + Send>)>,
}

impl Cancel {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; everything registered is called, in order, on this thread. Later calls do nothing.
    pub fn cancel(&self) {
        let wakers = {
            let mut state = self.lock();
            state.is_cancelled = true;
            std::mem::take(&mut state.wakers)
        };
        for (_, waker) in wakers {
            waker();
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    /// Calls `waker` when the token is cancelled, at once if it is already. It must not block. The
    /// guard takes it back.
    #[must_use = "dropped, the guard takes the waker back"]
    pub fn on_cancel(&self, waker: impl FnOnce() + Send + 'static) -> Waiting {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        if state.is_cancelled {
            drop(state);
            waker();
        } else {
            state.wakers.push((number, Box::new(waker)));
        }
        Waiting {
            cancel: self.clone(),
            number,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Cancel");
        shown.field("is_cancelled", &self.is_cancelled()).finish()
    }
}

/// Somebody waits for a token; dropped, nobody does any more.
#[derive(Debug)]
pub struct Waiting {
    cancel: Cancel,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.cancel.lock();
        state.wakers.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn wakers_are_called_once_and_never_after_they_were_taken_back() {
        let count = Arc::new(AtomicUsize::new(0));
        let add = || {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let cancel = Cancel::new();
        let kept = cancel.on_cancel(add());
        drop(cancel.on_cancel(add()));
        assert!(!cancel.is_cancelled());
        cancel.cancel();
        cancel.clone().cancel();
        assert!(cancel.is_cancelled());
        drop(kept);
        let _late = cancel.on_cancel(add());
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
