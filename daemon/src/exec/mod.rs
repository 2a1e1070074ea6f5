//! Processes that are started in running containers: their records, which live in memory as long as
//! their container's owner, as in dockerd.

pub mod operate;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use gantry_engine_api::exec::ExecCreateRequest;
use gantry_ids::{ContainerId, ExecId};
use tokio::sync::watch;

/// What an exec is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecLife {
    /// Defined, not started.
    Created,
    /// Being started.
    Starting,
    /// Its process runs.
    Running { pid: u32 },
    /// It ended, or could not be started.
    Ended { pid: u32, code: u32 },
}

/// One exec.
#[derive(Debug)]
pub struct Exec {
    pub id: ExecId,
    pub container: ContainerId,
    pub request: ExecCreateRequest,
    life: watch::Sender<ExecLife>,
}

impl Exec {
    /// A defined exec.
    #[must_use]
    pub fn new(container: ContainerId, request: ExecCreateRequest) -> Self {
        Self {
            id: ExecId::generate(),
            container,
            request,
            life: watch::Sender::new(ExecLife::Created),
        }
    }

    /// What it is doing.
    #[must_use]
    pub fn life(&self) -> ExecLife {
        self.life.borrow().clone()
    }

    /// Later states.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ExecLife> {
        self.life.subscribe()
    }

    /// Claims the start; false if it was started before.
    #[must_use]
    pub fn claim(&self) -> bool {
        self.life.send_if_modified(|life| {
            let fresh = *life == ExecLife::Created;
            if fresh {
                *life = ExecLife::Starting;
            }
            fresh
        })
    }

    /// Its process runs, unless its end is known already.
    pub fn started(&self, pid: u32) {
        self.life.send_if_modified(|life| {
            let starting = *life == ExecLife::Starting;
            match life {
                ExecLife::Starting => *life = ExecLife::Running { pid },
                ExecLife::Ended { pid: known, .. } => *known = pid,
                ExecLife::Created | ExecLife::Running { .. } => {}
            }
            starting
        });
    }

    /// It ended. False if that was known.
    pub fn ended(&self, code: u32) -> bool {
        self.life.send_if_modified(|life| {
            let pid = match life {
                ExecLife::Ended { .. } => return false,
                ExecLife::Running { pid } => *pid,
                ExecLife::Created | ExecLife::Starting => 0,
            };
            *life = ExecLife::Ended { pid, code };
            true
        })
    }
}

/// The execs of one container; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Execs {
    map: Arc<Mutex<BTreeMap<ExecId, Arc<Exec>>>>,
}

impl Execs {
    /// Adds one.
    pub fn add(&self, exec: Exec) -> Arc<Exec> {
        let exec = Arc::new(exec);
        self.map
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(exec.id.clone(), Arc::clone(&exec));
        exec
    }

    /// The one with this id, or of which it is the only beginning.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Exec>> {
        self.map
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Forgets one.
    pub fn forget(&self, id: &str) {
        self.map
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }

    /// Ids of those that have not ended, for inspect.
    #[must_use]
    pub fn live(&self) -> Vec<String> {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        map.values()
            .filter(|exec| !matches!(exec.life(), ExecLife::Ended { .. }))
            .map(|exec| exec.id.to_string())
            .collect()
    }

    /// The container ended: none of them runs any more.
    pub fn end_all(&self, code: u32) {
        let all: Vec<_> = self
            .map
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for exec in all {
            if matches!(exec.life(), ExecLife::Running { .. } | ExecLife::Starting) {
                exec.ended(code);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exec_starts_once_and_ends_once() {
        let exec = Exec::new(ContainerId::generate(), ExecCreateRequest::default());
        assert!(exec.claim() && !exec.claim());
        // The end may be known before the answer to the start is.
        assert!(exec.ended(3));
        exec.started(7);
        assert_eq!(exec.life(), ExecLife::Ended { pid: 7, code: 3 });
        assert!(!exec.ended(4));
    }
}
