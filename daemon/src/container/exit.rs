//! The end of a container's process: written, announced, and what follows from it (restart policy,
//! removal, release of network and task).

use std::{sync::Arc, time::Duration};

use gantry_telemetry::failpoint;
use jiff::Timestamp;

use super::{
    AFTER_YOU,
    actor::{Actor, Command, ExitNews, REMOVAL_LIMIT},
    error::ContainerError,
    failpoints,
    restart::{self, Policy},
    state::{Event, Exit, Life, step},
};
use crate::events::Cause;

impl Actor {
    /// The supervisor says that the process ended.
    #[tracing::instrument(level = "debug", name = "exit", skip_all, fields(container.id = %self.record.id))]
    pub(super) async fn exited(&mut self, news: ExitNews) {
        let other_run = news.pid.is_some() && news.pid != self.record.life.pid();
        if other_run {
            return;
        }
        let settled = self.settle_exit(news.code, news.at).await;
        drop(news.pending);
        if let Err(error) = settled {
            let error = gantry_errors::chain(&error).to_string();
            tracing::error!(container.id = %self.record.id, error, "an exit was not written");
        }
    }

    async fn settle_exit(
        &mut self,
        code: u32,
        at: Option<Timestamp>,
    ) -> Result<(), ContainerError> {
        if !self.record.life.has_process() {
            // Told twice, or of a run whose end was learned by reconciling.
            return Ok(());
        }
        failpoint(failpoints::EXIT_SEEN)?;
        let finished = at.unwrap_or_else(Timestamp::now);
        let exit = Exit {
            code,
            oom: self.oom,
            finished: Some(finished),
            error: String::new(),
        };
        let policy = self.policy();
        let halted = self.halting();
        let restart = !halted
            && policy.wants_restart(code, self.record.stopped_by_user, self.record.restarts);
        let life = step(
            &self.record.life,
            Event::Exited {
                exit: exit.clone(),
                restart,
            },
        )
        .expect("a process that exists may end");
        let ran_for = self
            .record
            .last
            .started
            .and_then(|started| Duration::try_from(finished.duration_since(started)).ok())
            .unwrap_or_default();
        let auto_remove = self.record.host.auto_remove && !restart;
        if auto_remove {
            // One commit for the end and the removal; until then the record says running, and a
            // restarted engine learns the end again.
            let record = Arc::make_mut(&mut self.record);
            record.last.exit = exit;
            record.life = life;
        } else {
            self.persist_run(|record| {
                record.last.exit = exit;
                record.life = life;
                record.halted = halted;
                record.restarts += u32::from(restart);
            })
            .await?;
        }
        self.exits += 1;
        failpoint(failpoints::EXIT_PERSISTED)?;
        self.handle.execs.end_all(code);
        if !auto_remove {
            self.publish();
        }
        self.announce_leaving();
        self.all.parts.announce_volumes(&self.record, "unmount");
        let started = self.record.last.started.unwrap_or(finished);
        self.all
            .parts
            .announce_end(&self.record, code, (started, finished));
        if auto_remove {
            self.remove_by_itself().await;
            return Ok(());
        }
        if restart {
            self.schedule_restart(ran_for);
        }
        self.release_network().await;
        self.let_go_of_task().await;
        Ok(())
    }

    /// Has the ended task deleted once nothing else is asked for.
    async fn let_go_of_task(&mut self) {
        if self.halting() {
            // The engine ends soon.
            self.delete_ended().await;
        } else if self.removal_wanted {
            self.task_rests = Some(REMOVAL_LIMIT);
        } else {
            self.task_rests = Some(AFTER_YOU);
        }
    }

    /// Lets the supervisor forget a task that has ended.
    pub(super) async fn delete_ended(&mut self) {
        if let Err(error) = self.delete_task().await {
            // The next start, or the engine's, tries again.
            let error = gantry_errors::chain(&error).to_string();
            tracing::warn!(container.id = %self.record.id, error, "the ended task was not deleted");
        }
    }

    /// The record's policy; one that cannot be read is none.
    pub(super) fn policy(&self) -> Policy {
        let asked = &self.record.host.restart_policy;
        Policy::parse(&asked.name, asked.maximum_retry_count).unwrap_or(Policy::No)
    }

    pub(super) fn schedule_restart(&mut self, ran_for: Duration) {
        let delay = restart::next_delay(self.delay, ran_for);
        self.delay = Some(delay);
        self.serial += 1;
        let serial = self.serial;
        let owner = self.handle.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            owner.tell(Command::RestartDue { serial }).await;
        });
        self.restart = Some((serial, timer.abort_handle()));
    }

    /// A waiting restart is called off.
    pub(super) fn cancel_restart(&mut self) {
        if let Some((_, timer)) = self.restart.take() {
            timer.abort();
        }
    }

    pub(super) async fn restart_due(&mut self, serial: u64) {
        let due = self
            .restart
            .as_ref()
            .is_some_and(|(last, _)| *last == serial);
        if !due || !matches!(self.record.life, Life::Restarting { .. }) {
            return;
        }
        self.restart = None;
        if let Err(error) = self.start(false).await {
            let error = gantry_errors::chain(&error).to_string();
            tracing::warn!(container.id = %self.record.id, error, "a restart failed");
            self.retry_restart().await;
        }
    }

    /// A restart that failed counts as a run that ended at once.
    async fn retry_restart(&mut self) {
        let Life::Exited { exit } = self.record.life.clone() else {
            return;
        };
        let again = !self.halting()
            && self.policy().wants_restart(
                exit.code,
                self.record.stopped_by_user,
                self.record.restarts,
            );
        if !again {
            return;
        }
        let written = self
            .persist_run(|record| {
                record.life = Life::Restarting { exit };
                record.restarts += 1;
            })
            .await;
        if written.is_ok() {
            self.publish();
            self.schedule_restart(Duration::ZERO);
        }
    }

    pub(super) async fn out_of_memory(&mut self, cause: &Cause) {
        if !self.oom {
            self.oom = true;
            if let Err(error) = self.persist_run(|record| record.oom = true).await {
                let error = gantry_errors::chain(&error).to_string();
                tracing::warn!(container.id = %self.record.id, error, "an end of memory was not written");
            }
        }
        // The engine before this one may have told it.
        let parts = &self.all.parts;
        if !parts.events.was_caused_by(cause) {
            parts.announce_caused(&self.record, "oom", cause);
        }
    }
}
