//! All containers ended because the machine goes down (`gantry engine stop --all`): by their stop
//! signals, each exit written with its true code, and none held against a restart policy. After the
//! boot those come back that would have run on.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use gantry_ids::ContainerId;

use super::{
    actor::{Actor, Command},
    error::ContainerError,
    registry::{Containers, Handle},
    state::Life,
};

impl Containers {
    /// Ends every container, each within `timeout_s` seconds or its own grace, and answers which have
    /// ended. From now on no policy restarts one: the engine is to end after this.
    pub async fn halt(&self, timeout_s: Option<i64>) -> Vec<ContainerId> {
        self.parts.halting.store(true, Ordering::Release);
        let handles = self.handles();
        let ended = join_all(
            handles
                .iter()
                .map(|handle| self.halt_one(handle, timeout_s)),
        )
        .await;
        let ended = handles.iter().zip(ended).filter_map(|(handle, ended)| {
            let failed = |error| {
                let error = gantry_errors::chain(&error).to_string();
                tracing::error!(container.id = %handle.id, error, "a container was not ended");
            };
            ended
                .map_err(failed)
                .unwrap_or_default()
                .then(|| handle.id.clone())
        });
        ended.collect()
    }

    async fn halt_one(
        &self,
        handle: &Handle,
        timeout_s: Option<i64>,
    ) -> Result<bool, ContainerError> {
        if matches!(handle.record().life, Life::Paused { .. }) {
            // A frozen process hears no signal.
            handle.call(Command::Unpause).await?;
        }
        if !handle.call(Command::HaltWanted).await? {
            return Ok(false);
        }
        self.end_process(handle, None, timeout_s).await?;
        self.parts.announce(&handle.record(), "stop", &[]);
        Ok(true)
    }
}

impl Actor {
    /// A waiting restart waits for the next boot. Answers whether there is a process to end.
    pub(super) fn halt_wanted(&mut self) -> bool {
        self.cancel_restart();
        self.record.life.has_process()
    }

    /// Whether ends are the machine's doing now.
    pub(super) fn halting(&self) -> bool {
        self.all.parts.halting.load(Ordering::Acquire)
    }
}
