//! Which tasks there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::handle::Handle;
use crate::names::{Key, Namespace};

/// All actors by container. Clones share it; the lock is held for a look-up, never across a wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(Arc<Mutex<BTreeMap<Key, Handle>>>);

/// What trying to take a name gives.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is yours; this is the new task.
    Taken(Handle),
    /// There is a task of that name.
    Exists,
    /// A deleted task of that name is being cleaned up; wait until it is gone and try again.
    Ending(Handle),
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name for the task that `make` starts.
    pub(crate) fn claim(&self, key: &Key, make: impl FnOnce() -> Handle) -> Claim {
        let mut tasks = self.lock();
        match tasks.get(key) {
            Some(old) if old.ending() => Claim::Ending(old.clone()),
            Some(_) => Claim::Exists,
            None => {
                let handle = make();
                tasks.insert(key.clone(), handle.clone());
                Claim::Taken(handle)
            }
        }
    }

    /// The task of a container, whether or not clients see it.
    pub(crate) fn get(&self, key: &Key) -> Option<Handle> {
        self.lock().get(key).cloned()
    }

    /// The tasks of a namespace that clients see, those among them that are being made, by id.
    pub(crate) fn list(&self, namespace: &Namespace) -> Vec<Handle> {
        let tasks = self.lock();
        let of_namespace = tasks.iter().filter(|(key, _)| key.namespace == *namespace);
        let handles = of_namespace.map(|(_, handle)| handle);
        handles
            .filter(|handle| handle.shown().is_some())
            .cloned()
            .collect()
    }

    /// Forgets a task that is gone, unless its name has been taken anew.
    pub(super) fn forget(&self, gone: &Handle) {
        let mut tasks = self.lock();
        if tasks
            .get(gone.key())
            .is_some_and(|handle| handle.same(gone))
        {
            tasks.remove(gone.key());
        }
    }
}
