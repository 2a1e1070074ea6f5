//! `wait`: for the end of the process, or of the container.

use tokio::sync::watch;

use super::{
    error::ContainerError,
    registry::{Containers, View},
};

/// What a wait waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// That it does not run; at once if it does not.
    NotRunning,
    /// Its next end.
    NextExit,
    /// That it is removed.
    Removed,
}

/// A wait that has begun: whatever happens later is seen.
#[derive(Debug)]
pub struct Waiting {
    watch: watch::Receiver<View>,
    condition: WaitFor,
    exits: u64,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    pub code: u32,
    /// Why it could not be started; empty otherwise.
    pub error: String,
}

impl Waiting {
    /// Waits.
    pub async fn end(mut self) -> Waited {
        let Self {
            condition, exits, ..
        } = self;
        let met = |view: &View| match condition {
            WaitFor::NotRunning => {
                view.removed || view.exits > exits || !view.record.life.counts_as_running()
            }
            WaitFor::NextExit => view.removed || view.exits > exits,
            WaitFor::Removed => view.removed,
        };
        // The owner ends only after it has published the removal.
        drop(self.watch.wait_for(met).await);
        let record = self.watch.borrow().record.clone();
        let exit = record.life.exit().unwrap_or(&record.last.exit);
        // Whoever waits for the removal has the start's own answer.
        let error = match condition {
            WaitFor::Removed => String::new(),
            WaitFor::NotRunning | WaitFor::NextExit => exit.error.clone(),
        };
        Waited {
            code: exit.code,
            error,
        }
    }
}

impl Containers {
    /// Begins to wait.
    ///
    /// # Errors
    /// There is no such container.
    pub fn wait(&self, reference: &str, condition: WaitFor) -> Result<Waiting, ContainerError> {
        let watch = self.find(reference)?.watch();
        let exits = watch.borrow().exits;
        Ok(Waiting {
            watch,
            condition,
            exits,
        })
    }
}
