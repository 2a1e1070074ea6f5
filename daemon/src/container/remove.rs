//! `rm`, auto-removal, and the durable queue of what is still to be taken down afterwards.
//!
//! *Removed* means that the record is durably gone: one commit deletes it and writes what the kernel
//! and the disk still hold ([`Teardown`]). Name, addresses and ports are free when the caller is
//! answered; mounts, directories and anonymous volumes follow, also after a crash.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gantry_errors::Many;
use gantry_ids::ContainerId;
use gantry_telemetry::failpoint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AFTER_YOU,
    actor::Actor,
    create::blocking,
    error::ContainerError,
    failpoints,
    model::Record,
    mounts::Source,
    registry::{Containers, attributes},
    state::{Event, Life, step},
    take_over::nanoseconds,
};
use crate::{
    events::EventKind,
    store::{Batch, Table},
};

/// The version of the records that this program writes.
const VERSION: u32 = 1;
/// The pause before a teardown that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is tried before it is left to the engine's next start.
const TRIES: u32 = 5;
/// How long a killed process may take to end.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// With its anonymous volumes.
    pub volumes: bool,
    /// Kill it first if it runs.
    pub force: bool,
}

/// What a removed container leaves to be taken down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Teardown {
    /// Version of the format.
    pub v: u32,
    pub id: ContainerId,
    /// Anonymous volumes that go with it.
    pub volumes: Vec<String>,
    /// What the world is told of its end.
    #[serde(default)]
    pub farewell: Option<Farewell>,
}

impl Teardown {
    /// What is left of a container that was never written.
    pub(super) fn of_unborn(record: &Record, volumes: Vec<String>) -> Self {
        Self {
            v: VERSION,
            id: record.id.clone(),
            volumes,
            farewell: None,
        }
    }
}

/// What the world is told of a removed container's end, for an engine that finds it untold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Farewell {
    /// When it was removed.
    pub at: Timestamp,
    /// The attributes of its events.
    pub attributes: Vec<(String, String)>,
    /// The end of its last run, where the removal goes with it: code, start and end.
    pub exit: Option<(u32, Timestamp, Timestamp)>,
}

impl Containers {
    /// Removes a container.
    ///
    /// # Errors
    /// 409 if it runs and `force` is not set.
    pub async fn remove(
        &self,
        reference: &str,
        options: RemoveOptions,
    ) -> Result<(), ContainerError> {
        let handle = self.find(reference)?;
        let record = handle.record();
        if options.force && record.life.counts_as_running() {
            self.kill_for_removal(&handle).await?;
        }
        match handle
            .call(|reply| super::actor::Command::Remove { options, reply })
            .await
        {
            // It removed itself in the meantime.
            Err(ContainerError::Gone(_)) if options.force => Ok(()),
            other => other,
        }
    }

    async fn kill_for_removal(
        &self,
        handle: &super::registry::Handle,
    ) -> Result<(), ContainerError> {
        let mut watch = handle.watch();
        match handle.call(super::actor::Command::RemovalWanted).await {
            Ok(true) => {}
            Ok(false) | Err(ContainerError::Gone(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        let kill = |reply| super::actor::Command::Kill {
            signal: gantry_ids::Signal::KILL,
            reply,
        };
        match handle.call(kill).await {
            Ok(()) | Err(ContainerError::Conflict(_) | ContainerError::Gone(_)) => {}
            Err(error) => return Err(error),
        }
        let ended = watch.wait_for(|view| view.removed || !view.record.life.has_process());
        match tokio::time::timeout(KILL_LIMIT, ended).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ContainerError::InvalidInternal(format!(
                "could not kill container {}: its process did not end within {} s of SIGKILL",
                handle.id,
                KILL_LIMIT.as_secs()
            ))),
        }
    }

    /// Tells the end of a container that was removed and not told of.
    pub(super) fn tell_farewell(&self, teardown: &Teardown) {
        let Some(farewell) = &teardown.farewell else {
            return;
        };
        let (events, id) = (&self.parts.events, teardown.id.as_str());
        let untold = |action: &str, since: Timestamp| {
            events.was_told(action, id, nanoseconds(since)) == Some(false)
        };
        if let Some((code, started, finished)) = farewell.exit.filter(|exit| untold("die", exit.2))
        {
            let lasted = finished.duration_since(started).as_secs().max(0);
            let mut attributes = farewell.attributes.clone();
            attributes.push(("execDuration".to_owned(), lasted.to_string()));
            attributes.push(("exitCode".to_owned(), code.to_string()));
            events.publish(EventKind::Container, "die", id, attributes);
        }
        if untold("destroy", farewell.at) {
            let attributes = farewell.attributes.clone();
            events.publish(EventKind::Container, "destroy", id, attributes);
        }
    }

    /// Takes down what a removed container left, in a task of its own.
    pub(super) fn tear_down(&self, teardown: Teardown) {
        let all = self.clone();
        self.parts.teardowns.spawn(async move {
            // An engine that ends its containers ends soon itself.
            if !all.parts.halting.load(Ordering::Acquire) {
                tokio::time::sleep(AFTER_YOU).await;
            }
            for _ in 0..TRIES {
                match all.tear_down_once(&teardown).await {
                    Ok(()) => return,
                    Err(error) => {
                        let error = error.to_string();
                        tracing::warn!(container.id = %teardown.id, error, "teardown failed");
                    }
                }
                tokio::time::sleep(RETRY).await;
            }
            tracing::error!(container.id = %teardown.id, "teardown is left to the engine's next start");
        });
    }

    /// Waits until what removed containers left is taken down, so that an engine that ends leaves none of
    /// it; at most for `limit`: the rest is the next start's.
    pub async fn settle(&self, limit: Duration) {
        let parts = Arc::clone(&self.parts);
        let settled = async move {
            parts.teardowns.close();
            parts.teardowns.wait().await;
            tokio::task::spawn_blocking(move || parts.networks.drain()).await
        };
        if tokio::time::timeout(limit, settled).await.is_err() {
            tracing::warn!("what removed containers left is taken down at the engine's next start");
        }
    }

    /// Each step is tried whatever became of the one before.
    #[tracing::instrument(level = "debug", name = "teardown", skip_all, fields(container.id = %teardown.id))]
    async fn tear_down_once(&self, teardown: &Teardown) -> Result<(), Many<ContainerError>> {
        let parts = &self.parts;
        let mut errors = Many::new();
        // A process that somehow still runs must not hold the mounts.
        drop(parts.supervisor.kill(&teardown.id, "", 9).await);
        let deleted = parts.supervisor.delete(&teardown.id).await;
        errors.note(deleted.map_err(|source| ContainerError::Runtime {
            step: "delete the task",
            source,
        }));
        let id = teardown.id.clone();
        let taken = {
            let parts = parts.clone();
            blocking(move || {
                super::shm::release(&parts, &id);
                parts.networks.release(&id)?;
                drop(std::fs::remove_file(parts.io_socket(&id)));
                Ok(())
            })
        };
        errors.note(taken.await);
        errors.note(failpoint(failpoints::TEARDOWN_HALF).map_err(ContainerError::from));
        if errors.errors().is_empty() {
            errors.note(self.remove_files(&teardown.id).await);
        }
        for name in &teardown.volumes {
            let users = self.users_of_volume(name);
            match parts.volumes.remove(name, &users).await {
                Ok(()) | Err(crate::volume::VolumeError::NoSuchVolume(_)) => {}
                Err(error) => {
                    errors.note::<()>(Err(error.into()));
                }
            }
        }
        if errors.errors().is_empty() {
            let done = Batch::default().delete(Table::Teardown, teardown.id.as_str());
            // Taking it down again does no harm.
            let committed = parts.store.commit_soon(done).await;
            errors.note(committed.map_err(|source| ContainerError::Persist {
                id: teardown.id.clone(),
                source,
            }));
        }
        errors.finish()
    }

    async fn remove_files(&self, id: &ContainerId) -> Result<(), ContainerError> {
        let (parts, id) = (self.parts.clone(), id.clone());
        blocking(move || {
            parts.images.release_rootfs(&id, &parts.rw(&id))?;
            let dir = parts.dir(&id);
            match std::fs::remove_dir_all(&dir) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    Err(ContainerError::File {
                        step: "remove",
                        path: dir,
                        source,
                    })
                }
                Ok(()) | Err(_) => Ok(()),
            }
        })
        .await
    }
}

impl Actor {
    /// `rm` of a container that does not run.
    pub(super) async fn remove(&mut self, options: RemoveOptions) -> Result<(), ContainerError> {
        self.cancel_restart();
        if let Life::Restarting { .. } = self.record.life
            && options.force
        {
            Arc::make_mut(&mut self.record).life = step(&self.record.life, Event::RestartCancelled)
                .expect("a waiting restart may be called off");
        }
        let life = step(&self.record.life, Event::RemoveBegun).map_err(|_| {
            let why = match self.record.life {
                Life::Paused { .. } => "paused and must be unpaused first",
                Life::Restarting { .. } => {
                    "restarting: stop the container before removing or force remove"
                }
                _ => "running: stop the container before removing or force remove",
            };
            ContainerError::Conflict(format!(
                "cannot remove container \"{}\": container is {why}",
                self.record.name
            ))
        })?;
        self.finish_removal(life, options.volumes).await
    }

    /// `--rm`.
    pub(super) async fn remove_by_itself(&mut self) {
        let Ok(life) = step(&self.record.life, Event::RemoveBegun) else {
            return;
        };
        if let Err(error) = self.finish_removal(life, true).await {
            let error = gantry_errors::chain(&error).to_string();
            tracing::error!(container.id = %self.record.id, error, "auto-removal failed");
            self.publish();
        }
    }

    fn farewell(&self) -> Farewell {
        let record = &self.record;
        let exit = &record.last.exit;
        let run = record.last.started.zip(exit.finished);
        let run = run.filter(|(started, finished)| started <= finished);
        Farewell {
            at: Timestamp::now(),
            attributes: attributes(record, &[]),
            exit: run.map(|(started, finished)| (exit.code, started, finished)),
        }
    }

    #[tracing::instrument(level = "debug", name = "remove", skip_all, fields(container.id = %self.record.id))]
    async fn finish_removal(&mut self, life: Life, volumes: bool) -> Result<(), ContainerError> {
        let id = self.record.id.clone();
        let teardown = Teardown {
            v: VERSION,
            id: id.clone(),
            volumes: if volumes {
                anonymous_volumes(&self.record)
            } else {
                Vec::new()
            },
            farewell: Some(self.farewell()),
        };
        let bytes = serde_json::to_vec(&teardown).expect("plain fields");
        let batch = Batch::default().delete(Table::Containers, id.as_str()).put(
            Table::Teardown,
            id.as_str(),
            bytes,
        );
        let parts = &self.all.parts;
        // What removes itself does so again if the machine ends now.
        let written = if self.record.host.auto_remove {
            parts.commit_soon(batch).await
        } else {
            parts.commit(batch).await
        };
        written.map_err(|source| ContainerError::Persist {
            id: id.clone(),
            source,
        })?;
        failpoint(failpoints::REMOVE_PERSISTED)?;
        Arc::make_mut(&mut self.record).life = life;
        self.release_network().await;
        self.removed = true;
        self.pending.clear();
        self.all.forget(&id);
        // Listings show none of them from here on; what fails is the teardown's.
        for name in &teardown.volumes {
            let users = self.all.users_of_volume(name);
            drop(self.all.parts.volumes.remove(name, &users).await);
        }
        self.publish();
        self.all.parts.announce(&self.record, "destroy", &[]);
        self.all.tear_down(teardown);
        Ok(())
    }
}

fn anonymous_volumes(record: &Record) -> Vec<String> {
    record
        .mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            Source::Volume {
                name,
                anonymous: true,
                ..
            } => Some(name.clone()),
            Source::Volume { .. }
            | Source::Bind { .. }
            | Source::Image { .. }
            | Source::Tmpfs { .. } => None,
        })
        .collect()
}
