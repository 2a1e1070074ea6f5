//! The engine's start: records and tasks reconciled, what was cut short finished or undone.
//!
//! One way for first start and restart. Records are read, their owners started, every task of the
//! supervisor compared with its record; exits that happened meanwhile are learned with their exact
//! code and time; then restart policies act and left-overs are swept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{
    actor::{Command, ExitNews},
    error::ContainerError,
    model::Record,
    place::{PLACE, Place},
    registry::Containers,
    remove::Teardown,
    take_over::{UNKNOWN_EXIT, catch_up},
};
use crate::{
    events::Cause,
    runtime::{
        Task, TaskStatus,
        events::{Message, TaskEvent},
        watermark::Pending,
    },
    store::Table,
};

/// How long the supervisor's list of tasks is waited for, and how often it is asked for.
const SUPERVISOR_LIMIT: Duration = Duration::from_secs(30);
const SUPERVISOR_RETRY: Duration = Duration::from_millis(50);

impl Containers {
    /// Reads all records and takes the containers over. Returns once every record agrees with its
    /// task; restarts by policy go on in the background.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recover(&self) -> Result<(), ContainerError> {
        let place = self.place()?;
        if let Some(place) = &place {
            self.parts.watermark.begin_at(place.clone());
        }
        let mut events = self.parts.supervisor.subscribe(place);
        let mut missed = catch_up(&self.parts, &mut events).await;
        let (records, complete) = self.load()?;
        let tasks = self.tasks().await?;
        let live = records
            .iter()
            .filter(|record| is_live(tasks.get(record.id.as_str())))
            .map(|record| record.id.clone())
            .collect();
        // What belongs to nobody is swept only where everybody is known.
        if complete {
            self.settle_disk(&records, live).await;
        }
        for record in records {
            let task = tasks.get(record.id.as_str());
            let seen = missed.remove(record.id.as_str()).unwrap_or_default();
            self.take_over(record, task, seen).await;
        }
        for (id, task) in &tasks {
            if complete && self.by_id(id).is_none() {
                self.sweep_task(task);
            }
        }
        self.resume_teardowns()?;
        let all = self.clone();
        tokio::spawn(async move { all.follow(events).await });
        Ok(())
    }

    /// The records, and whether all could be read.
    fn load(&self) -> Result<(Vec<Record>, bool), ContainerError> {
        let unreadable = |text: String| ContainerError::InvalidInternal(text);
        let rows = self
            .parts
            .store
            .load(Table::Containers)
            .map_err(|error| unreadable(gantry_errors::chain(&error).to_string()))?;
        let mut records = Vec::new();
        let mut complete = true;
        for (key, bytes) in rows {
            match Record::decode(&key, &bytes) {
                Ok(record) => {
                    self.names.reserve(&record.name, &record.id)?;
                    records.push(record);
                }
                // One record that cannot be read must not take the others with it.
                Err(error) => {
                    let error = gantry_errors::chain(&error).to_string();
                    tracing::error!(
                        error,
                        "a container is left out; nothing is swept at this start"
                    );
                    complete = false;
                }
            }
        }
        Ok((records, complete))
    }

    /// Every task the supervisor has. Without the list nothing can be told dead, so that a
    /// supervisor that does not answer is waited for, and is an error in the end.
    async fn tasks(&self) -> Result<BTreeMap<String, Task>, ContainerError> {
        let start = Instant::now();
        loop {
            match self.parts.supervisor.list().await {
                Ok(tasks) => {
                    return Ok(tasks
                        .into_iter()
                        .map(|task| (task.id.clone(), task))
                        .collect());
                }
                Err(error) if start.elapsed() < SUPERVISOR_LIMIT => {
                    tracing::warn!(%error, "the supervisor's tasks cannot be listed yet");
                    tokio::time::sleep(SUPERVISOR_RETRY).await;
                }
                Err(source) => {
                    return Err(ContainerError::Runtime {
                        step: "list the supervisor's tasks",
                        source,
                    });
                }
            }
        }
    }

    /// Networks and layers of containers that exist are kept, all others given back.
    async fn settle_disk(&self, records: &[Record], live: BTreeSet<gantry_ids::ContainerId>) {
        let parts = self.parts.clone();
        let ids: Vec<_> = records.iter().map(|r| (r.id.clone(), r.chain)).collect();
        let running: Vec<_> = records
            .iter()
            .filter(|record| live.contains(&record.id))
            .cloned()
            .collect();
        let settled = super::create::blocking(move || {
            super::shm::sweep(&parts, &live);
            match parts.networks.recover(&live) {
                Ok(recovery) => {
                    for line in recovery.repaired.iter().chain(&recovery.swept) {
                        tracing::info!("{line}");
                    }
                    for line in &recovery.warnings {
                        tracing::warn!("{line}");
                    }
                }
                Err(error) => {
                    let error = gantry_errors::chain(&error).to_string();
                    tracing::error!(error, "networks were not reconciled");
                }
            }
            super::volumes::settle(&parts, running.iter());
            for (id, chain) in &ids {
                if let Err(error) = parts.images.adopt_rootfs(id, chain.as_ref(), &parts.rw(id)) {
                    let error = gantry_errors::chain(&error).to_string();
                    tracing::error!(container.id = %id, error, "its layers are gone");
                }
            }
            sweep_directories(&parts, &ids.iter().map(|(id, _)| id.to_string()).collect());
            Ok(parts.images.sweep()?)
        });
        if let Err(error) = settled.await {
            let error = gantry_errors::chain(&error).to_string();
            tracing::error!(error, "layers were not swept");
        }
    }

    /// Where in the supervisor's journal the last engine was.
    fn place(&self) -> Result<Option<Cause>, ContainerError> {
        let rows = self.parts.store.load(Table::Engine).map_err(|error| {
            ContainerError::InvalidInternal(gantry_errors::chain(&error).to_string())
        })?;
        let row = rows.into_iter().find(|(key, _)| key == PLACE);
        // One that cannot be read is none: tasks are then compared one by one.
        Ok(row.and_then(|(_, bytes)| Place::decode(&bytes)))
    }

    /// A task without a record: the create or removal was cut short.
    fn sweep_task(&self, task: &Task) {
        let Ok(id) = task.id.parse() else { return };
        tracing::info!(container.id = %task.id, "sweeping a task without a container");
        self.tear_down(Teardown {
            v: 1,
            id,
            volumes: Vec::new(),
            farewell: None,
        });
    }

    fn resume_teardowns(&self) -> Result<(), ContainerError> {
        let rows = self.parts.store.load(Table::Teardown).map_err(|error| {
            ContainerError::InvalidInternal(gantry_errors::chain(&error).to_string())
        })?;
        for (key, bytes) in rows {
            match serde_json::from_slice::<Teardown>(&bytes) {
                Ok(teardown) => {
                    self.tell_farewell(&teardown);
                    self.tear_down(teardown);
                }
                Err(error) => tracing::error!(key, %error, "a teardown cannot be read"),
            }
        }
        Ok(())
    }

    /// Passes the supervisor's events on to the owners, for as long as the engine lives.
    async fn follow(&self, mut events: tokio::sync::mpsc::Receiver<Message>) {
        let watermark = self.parts.watermark.clone();
        while let Some(message) = events.recv().await {
            match message {
                Message::Ready { head, missed: true } => {
                    watermark.begin_at(head);
                    self.reconcile().await;
                }
                Message::Ready { missed: false, .. } => {}
                Message::Entry(cause, None) => watermark.pass(&cause),
                Message::Entry(cause, Some(event)) => {
                    let pending = watermark.take(&cause);
                    self.pass_on(cause, event, pending).await;
                }
            }
        }
    }

    async fn pass_on(&self, cause: Cause, event: TaskEvent, pending: Pending) {
        match event {
            TaskEvent::Started { .. } => {}
            TaskEvent::Exit {
                container,
                exec,
                pid,
                code,
                at,
            } => {
                let Some(handle) = self.by_id(&container) else {
                    return;
                };
                if exec.is_empty() {
                    let news = ExitNews {
                        code,
                        at,
                        pid: Some(pid),
                        pending: Some(pending),
                    };
                    handle.tell(Command::Exited(news)).await;
                } else {
                    self.exec_ended(&handle, &exec, code);
                }
            }
            TaskEvent::Oom { container } => {
                if let Some(handle) = self.by_id(&container) {
                    handle.tell(Command::Oom { cause, pending }).await;
                }
            }
        }
    }

    /// Events were missed: every container whose task ended or is gone is told so.
    async fn reconcile(&self) {
        let Ok(tasks) = self.parts.supervisor.list().await else {
            return;
        };
        let tasks: BTreeMap<_, _> = tasks
            .into_iter()
            .map(|task| (task.id.clone(), task))
            .collect();
        for handle in self.handles() {
            if !handle.record().life.has_process() {
                continue;
            }
            let gone = match tasks.get(handle.id.as_str()).map(|task| &task.status) {
                Some(TaskStatus::Stopped { code, at }) => Some((*code, *at)),
                Some(_) => None,
                None => match self.parts.supervisor.get(&handle.id).await {
                    Ok(None) => Some((UNKNOWN_EXIT, None)),
                    Ok(Some(_)) | Err(_) => None,
                },
            };
            if let Some((code, at)) = gone {
                let news = ExitNews::of(code, at);
                handle.tell(Command::Exited(news)).await;
            }
        }
    }
}

fn is_live(task: Option<&Task>) -> bool {
    matches!(
        task,
        Some(Task {
            status: TaskStatus::Running | TaskStatus::Paused,
            ..
        })
    )
}

/// Directories of containers that have no record: the create was cut short before it was written.
/// Those of a removal that was cut short are its teardown's.
fn sweep_directories(parts: &super::registry::Parts, known: &BTreeSet<String>) {
    let pending: BTreeSet<String> = parts
        .store
        .load(Table::Teardown)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let root = parts.config().data_root.join("containers");
    let Ok(entries) = std::fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if known.contains(&name) || pending.contains(&name) {
            continue;
        }
        let Ok(id) = name.parse::<gantry_ids::ContainerId>() else {
            continue;
        };
        tracing::info!(container.id = %id, "sweeping a container that was never written");
        drop(parts.images.release_rootfs(&id, &parts.rw(&id)));
        drop(std::fs::remove_dir_all(entry.path()));
    }
}
