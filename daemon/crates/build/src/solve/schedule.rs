//! Nodes that do not need each other are built at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::stage::{Build, StageEnd};
use crate::fault::{BuildError, Fault};

/// How many nodes are built at once at most.
const WORKERS_MAX: usize = 16;

#[derive(Default)]
struct State {
    /// Nodes that nobody has begun, in order.
    waiting: Vec<usize>,
    done: BTreeMap<usize, Arc<StageEnd>>,
    fault: Option<BuildError>,
}

struct Board<'a> {
    build: &'a Build<'a>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Builds all nodes of a plan; answers the target's end.
pub(super) fn run(build: &Build<'_>) -> Result<Arc<StageEnd>, BuildError> {
    let plan = &build.prepared.plan;
    let board = Board {
        build,
        state: Mutex::new(State {
            waiting: plan.order.clone(),
            ..State::default()
        }),
        changed: Condvar::new(),
    };
    let workers = plan.order.len().min(WORKERS_MAX);
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| board.work());
        }
        board.work();
    });
    let mut state = board.lock();
    if let Some(fault) = state.fault.take() {
        return Err(fault);
    }
    let end = state.done.get(&plan.target).cloned();
    end.ok_or_else(|| BuildError::new(Fault::Cancelled))
}

impl Board<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds one node after the other until there is none left.
    fn work(&self) {
        let _bail = Bail(self);
        while let Some((node, needed)) = self.next() {
            let end = self.build.stage(node, &needed);
            let mut state = self.lock();
            match end {
                Ok(end) => {
                    state.done.insert(node, Arc::new(end));
                }
                Err(fault) => {
                    // That others are cancelled is because of the first.
                    state.fault.get_or_insert(fault);
                    drop(state);
                    self.build.stop.cancel();
                }
            }
            self.changed.notify_all();
        }
    }

    /// The next node whose needs are done, with their ends; none if there is nothing left to begin.
    fn next(&self) -> Option<(usize, BTreeMap<usize, Arc<StageEnd>>)> {
        let mut state = self.lock();
        loop {
            if state.fault.is_some() || state.waiting.is_empty() {
                return None;
            }
            let needs = &self.build.prepared.needs;
            let is_ready =
                |node: &usize| needs[node].iter().all(|need| state.done.contains_key(need));
            if let Some(at) = state.waiting.iter().position(is_ready) {
                let node = state.waiting.remove(at);
                let ends = needs[&node].iter();
                let ends = ends.map(|need| (*need, Arc::clone(&state.done[need])));
                return Some((node, ends.collect()));
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends the build if its thread panics: the others would wait for it for ever.
struct Bail<'a>(&'a Board<'a>);

impl Drop for Bail<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let fault = BuildError::new(Fault::Cancelled);
            self.0.lock().fault.get_or_insert(fault);
            self.0.build.stop.cancel();
            self.0.changed.notify_all();
        }
    }
}
