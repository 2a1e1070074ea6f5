//! What is done to a container beside start, exit and removal: signals, stop, restart, pause, rename,
//! resize.

use std::{sync::Arc, time::Duration};

use gantry_ids::{ContainerName, Signal};
use gantry_telemetry::failpoint;

use super::{
    actor::{Actor, Command},
    create::blocking,
    error::ContainerError,
    failpoints,
    registry::{Containers, Handle, View},
    restart::Policy,
    state::{Event, Life, step},
};
use crate::runtime::RuntimeError;

/// How long a container may take to end after SIGKILL.
const KILL_LIMIT: Duration = Duration::from_secs(10);

impl Containers {
    /// Starts a container.
    ///
    /// # Errors
    /// Not modified if it runs; the runtime's words if it cannot be started.
    pub async fn start(&self, reference: &str) -> Result<(), ContainerError> {
        self.find(reference)?.call(Command::Start).await
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Conflict if it does not run.
    pub async fn kill(&self, reference: &str, signal: Signal) -> Result<(), ContainerError> {
        let handle = self.find(reference)?;
        if signal == Signal::KILL {
            // The user wants it gone: no restart.
            handle.call(Command::StopWanted).await?;
        }
        handle.call(|reply| Command::Kill { signal, reply }).await
    }

    /// Asks the container to end, and kills it after `timeout_s` (−1: never).
    ///
    /// # Errors
    /// Not modified if it does not run.
    pub async fn stop(
        &self,
        reference: &str,
        signal: Option<Signal>,
        timeout_s: Option<i64>,
    ) -> Result<(), ContainerError> {
        let handle = self.find(reference)?;
        if !self.end(&handle, signal, timeout_s).await? {
            return Err(ContainerError::NotModified(handle.id));
        }
        self.parts.announce(&handle.record(), "stop", &[]);
        Ok(())
    }

    /// Stops it if it runs, then starts it.
    ///
    /// # Errors
    /// The start's.
    pub async fn restart(
        &self,
        reference: &str,
        signal: Option<Signal>,
        timeout_s: Option<i64>,
    ) -> Result<(), ContainerError> {
        let handle = self.find(reference)?;
        if self.end(&handle, signal, timeout_s).await? {
            self.parts.announce(&handle.record(), "stop", &[]);
        }
        handle.call(Command::Start).await?;
        self.parts.announce(&handle.record(), "restart", &[]);
        Ok(())
    }

    /// Answers whether it ran.
    async fn end(
        &self,
        handle: &Handle,
        signal: Option<Signal>,
        timeout_s: Option<i64>,
    ) -> Result<bool, ContainerError> {
        let ran = handle.record().life.counts_as_running();
        if !handle.call(Command::StopWanted).await? {
            return Ok(ran);
        }
        self.end_process(handle, signal, timeout_s).await?;
        Ok(true)
    }

    /// Ends the process that there is: by its stop signal, and by KILL after the time it is given.
    pub(super) async fn end_process(
        &self,
        handle: &Handle,
        signal: Option<Signal>,
        timeout_s: Option<i64>,
    ) -> Result<(), ContainerError> {
        let record = handle.record();
        let mut watch = handle.watch();
        let signal = signal.unwrap_or_else(|| record.stop_signal());
        let timeout_s = timeout_s
            .or(record.config.stop_timeout)
            .unwrap_or_else(|| self.parts.config().containers.stop_timeout_s);
        send(handle, signal).await?;
        let ended = |view: &View| view.removed || !view.record.life.has_process();
        if timeout_s < 0 {
            drop(watch.wait_for(ended).await);
            return Ok(());
        }
        let limit = Duration::from_secs(timeout_s.unsigned_abs());
        if tokio::time::timeout(limit, watch.wait_for(ended))
            .await
            .is_ok()
        {
            return Ok(());
        }
        send(handle, Signal::KILL).await?;
        if tokio::time::timeout(KILL_LIMIT, watch.wait_for(ended))
            .await
            .is_ok()
        {
            return Ok(());
        }
        Err(ContainerError::InvalidInternal(format!(
            "cannot stop container: {}: tried to kill container, but did not receive an exit event",
            handle.id
        )))
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// Conflict if it does not run or is frozen.
    pub async fn pause(&self, reference: &str) -> Result<(), ContainerError> {
        self.find(reference)?.call(Command::Pause).await
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// Conflict if it is not frozen.
    pub async fn unpause(&self, reference: &str) -> Result<(), ContainerError> {
        self.find(reference)?.call(Command::Unpause).await
    }

    /// Gives it another name.
    ///
    /// # Errors
    /// Conflict if the name is taken.
    pub async fn rename(&self, reference: &str, name: &str) -> Result<(), ContainerError> {
        let handle = self.find(reference)?;
        if name.is_empty() {
            return Err(ContainerError::Invalid(
                "Neither old nor new names may be empty".to_owned(),
            ));
        }
        let name: ContainerName = name.parse()?;
        handle.call(|reply| Command::Rename { name, reply }).await
    }

    /// Sets the size of a terminal in characters.
    ///
    /// # Errors
    /// It does not run.
    pub async fn resize(&self, reference: &str, size: (u32, u32)) -> Result<(), ContainerError> {
        let handle = self.find(reference)?;
        let record = handle.record();
        if !record.life.has_process() {
            return Err(not_running(&record.id));
        }
        self.parts
            .supervisor
            .resize(&handle.id, "", size)
            .await
            .map_err(|source| ContainerError::Runtime {
                step: "resize the terminal",
                source,
            })?;
        let (width, height) = (size.0.to_string(), size.1.to_string());
        self.parts
            .announce(&record, "resize", &[("height", height), ("width", width)]);
        Ok(())
    }
}

/// 409 in dockerd's words.
pub fn not_running(id: &gantry_ids::ContainerId) -> ContainerError {
    ContainerError::Conflict(format!("container {id} is not running"))
}

async fn send(handle: &Handle, signal: Signal) -> Result<(), ContainerError> {
    match handle.call(|reply| Command::Kill { signal, reply }).await {
        // It ended by itself, or is gone already.
        Ok(()) | Err(ContainerError::Conflict(_) | ContainerError::Gone(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Actor {
    pub(super) fn runtime(&self, step: &'static str, source: RuntimeError) -> ContainerError {
        if source.is_not_found() {
            not_running(&self.record.id)
        } else {
            ContainerError::Runtime { step, source }
        }
    }

    pub(super) async fn kill(&mut self, signal: Signal) -> Result<(), ContainerError> {
        let id = self.record.id.clone();
        if !self.record.life.has_process() {
            return Err(ContainerError::Conflict(format!(
                "cannot kill container: {}: container {id} is not running",
                self.record.name
            )));
        }
        let supervisor = self.all.parts.supervisor.clone();
        let sent = supervisor.kill(&id, "", signal.number()).await;
        sent.map_err(|source| self.runtime("kill the container", source))?;
        if matches!(self.record.life, Life::Paused { .. }) && signal == Signal::KILL {
            // A frozen process takes no signal until it is thawed.
            drop(supervisor.resume(&id).await);
        }
        let number = signal.number().to_string();
        self.all
            .parts
            .announce(&self.record, "kill", &[("signal", number)]);
        Ok(())
    }

    /// Keeps the policy away, calls off a waiting restart. Answers whether there is a process.
    pub(super) async fn stop_wanted(&mut self) -> Result<bool, ContainerError> {
        self.cancel_restart();
        let life = step(&self.record.life, Event::RestartCancelled).ok();
        let policy = self.policy();
        if life.is_some() || (policy != Policy::No && !self.record.stopped_by_user) {
            self.persist(|record| {
                record.stopped_by_user = true;
                if let Some(life) = life {
                    record.life = life;
                }
            })
            .await?;
            failpoint(failpoints::STOP_PERSISTED)?;
            self.publish();
        }
        Arc::make_mut(&mut self.record).stopped_by_user = true;
        Ok(self.record.life.has_process())
    }

    pub(super) async fn pause(&mut self) -> Result<(), ContainerError> {
        let id = self.record.id.clone();
        let life = step(&self.record.life, Event::Paused).map_err(|why| {
            ContainerError::Conflict(match self.record.life {
                Life::Paused { .. } => format!("Container {id} is already paused"),
                Life::Restarting { .. } => {
                    format!("Container {id} is restarting, wait until the container is running")
                }
                _ => format!("Container {id} {why}"),
            })
        })?;
        let paused = self.all.parts.supervisor.pause(&id).await;
        paused.map_err(|source| self.runtime("pause the container", source))?;
        failpoint(failpoints::PAUSE_FROZEN)?;
        self.persist_run(|record| record.life = life).await?;
        self.publish();
        self.all.parts.announce(&self.record, "pause", &[]);
        Ok(())
    }

    pub(super) async fn unpause(&mut self) -> Result<(), ContainerError> {
        let id = self.record.id.clone();
        let life = step(&self.record.life, Event::Resumed)
            .map_err(|_| ContainerError::Conflict(format!("Container {id} is not paused")))?;
        let resumed = self.all.parts.supervisor.resume(&id).await;
        resumed.map_err(|source| self.runtime("unpause the container", source))?;
        failpoint(failpoints::UNPAUSE_THAWED)?;
        self.persist_run(|record| record.life = life).await?;
        self.publish();
        self.all.parts.announce(&self.record, "unpause", &[]);
        Ok(())
    }

    pub(super) async fn rename(&mut self, name: ContainerName) -> Result<(), ContainerError> {
        if name == self.record.name {
            return Err(ContainerError::Invalid(
                "Renaming a container with the same name as its current name".to_owned(),
            ));
        }
        let old = self.record.name.clone();
        self.all.names.reserve(&name, &self.record.id)?;
        if let Err(error) = self.persist(|record| record.name = name.clone()).await {
            // The old name is free: nobody can have taken it since.
            drop(self.all.names.reserve(&old, &self.record.id));
            return Err(error);
        }
        failpoint(failpoints::RENAME_PERSISTED)?;
        self.publish();
        let parts = self.parts();
        let id = self.record.id.clone();
        let renamed = blocking(move || Ok(parts.networks.rename(&id, name.as_str())?)).await;
        if let Err(error) = renamed {
            tracing::debug!(%error, "the network kept the old name");
        }
        self.all
            .parts
            .announce(&self.record, "rename", &[("oldName", old.with_slash())]);
        Ok(())
    }
}
