//! One container taken over at the engine's start: its record, its task and what the supervisor's
//! journal says has happened since, put together; and what the world was not told, told.
//!
//! The record may be behind its task (the engine died between an act and its writing) and the world
//! behind the record (it died between writing and telling). The events that were told lie in the
//! exec root, so that each is told once.

use std::{collections::HashMap, time::Duration};

use gantry_network::Endpoint;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    actor::{Command, ExitNews},
    membership,
    model::Record,
    registry::{Containers, Handle, Parts},
    remove::RemoveOptions,
    restart::Policy,
    state::Life,
};
use crate::{
    events::{
        Cause, EventKind,
        membership::{CONNECT, DISCONNECT},
    },
    runtime::{
        Task, TaskStatus,
        events::{Message, TaskEvent},
        watermark::Pending,
    },
};

/// The exit code of a container whose end nobody saw (the machine went down).
pub(super) const UNKNOWN_EXIT: u32 = 255;

/// How long the journal may be behind the list of tasks.
const JOURNAL_LIMIT: Duration = Duration::from_secs(1);

/// An entry of the journal that came while no engine watched.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) cause: Cause,
    pub(super) event: TaskEvent,
    pub(super) pending: Pending,
}

/// What the journal has for each container since the last engine, in order.
pub(super) type Missed = HashMap<String, Vec<Seen>>;

impl TaskEvent {
    fn container(&self) -> &str {
        match self {
            Self::Started { container, .. }
            | Self::Exit { container, .. }
            | Self::Oom { container } => container,
        }
    }
}

/// Reads the journal up to where it ends now.
pub(super) async fn catch_up(parts: &Parts, events: &mut mpsc::Receiver<Message>) -> Missed {
    let mut missed = Missed::new();
    let Some(Message::Ready {
        head,
        missed: false,
    }) = begin(parts, events).await
    else {
        return missed;
    };
    let behind = |parts: &Parts| {
        let place = parts.watermark.last();
        place.is_some_and(|place| place.sequence < head.sequence)
    };
    while behind(parts) {
        match events.recv().await {
            Some(Message::Entry(cause, Some(event))) => {
                let pending = parts.watermark.take(&cause);
                let seen = Seen {
                    cause,
                    event,
                    pending,
                };
                let container = seen.event.container().to_owned();
                missed.entry(container).or_default().push(seen);
            }
            Some(Message::Entry(cause, None)) => parts.watermark.pass(&cause),
            Some(Message::Ready { missed: false, .. }) => {}
            // The journal is another one now: the list of tasks says what there is to know.
            Some(Message::Ready { head, missed: true }) => {
                parts.watermark.begin_at(head);
                break;
            }
            None => break,
        }
    }
    missed
}

async fn begin(parts: &Parts, events: &mut mpsc::Receiver<Message>) -> Option<Message> {
    let first = events.recv().await?;
    if let Message::Ready { head, missed: true } = &first {
        parts.watermark.begin_at(head.clone());
    }
    Some(first)
}

impl Containers {
    /// Starts the record's owner, and tells it what became of its process.
    pub(super) async fn take_over(
        &self,
        mut record: Record,
        task: Option<&Task>,
        missed: Vec<Seen>,
    ) {
        let was_running = record.life.counts_as_running() || record.halted;
        catch_up_with_task(&mut record, task, &missed);
        let status = task.map(|task| &task.status);
        let runs = matches!(status, Some(TaskStatus::Running | TaskStatus::Paused));
        if runs {
            membership::settle(&self.parts, &mut record).await;
        }
        self.tell_untold(&record, runs);
        let has_process = record.life.has_process();
        let policy = policy(&record);
        let stopped = record.stopped_by_user;
        let waiting = matches!(record.life, Life::Restarting { .. });
        let ran = matches!(record.life, Life::Exited { .. }) || task.is_some();
        let removes_itself = record.host.auto_remove && ran && !has_process;
        let handle = self.adopt(record, task.is_some());
        for seen in missed {
            if let Some(command) = command(seen) {
                handle.tell(command).await;
            }
        }
        let gone = match status {
            Some(TaskStatus::Running | TaskStatus::Paused) => None,
            Some(TaskStatus::Stopped { code, at }) => Some((*code, *at)),
            Some(TaskStatus::Created | TaskStatus::Unknown) | None => Some((UNKNOWN_EXIT, None)),
        };
        if let Some((code, at)) = gone.filter(|_| has_process) {
            // The owner applies the policy, or removes it.
            tokio::spawn(learn_end(handle, ExitNews::of(code, at)));
            return;
        }
        if task.is_some() && !has_process {
            handle.tell(Command::ForgetTask).await;
        }
        if removes_itself {
            let options = RemoveOptions {
                volumes: true,
                force: true,
            };
            let all = self.clone();
            tokio::spawn(async move { drop(all.remove(handle.id.as_str(), options).await) });
            return;
        }
        let starts = !has_process && (waiting || policy.wants_start_at_boot(was_running, stopped));
        if starts && gone.is_some() {
            tokio::spawn(async move {
                if let Err(error) = handle.call(Command::Start).await {
                    let error = gantry_errors::chain(&error).to_string();
                    tracing::warn!(container.id = %handle.id, error, "not started at boot");
                }
            });
        }
    }

    /// Tells what is written and was never told.
    fn tell_untold(&self, record: &Record, runs: bool) {
        let parts = &self.parts;
        let id = record.id.as_str();
        let untold = |action: &str, since: Timestamp| {
            parts.events.was_told(action, id, nanoseconds(since)) == Some(false)
        };
        if untold("create", record.created) {
            parts.announce(record, "create", &[]);
        }
        self.tell_memberships(record, runs);
        let Some(started) = record.last.started else {
            return;
        };
        if untold("start", started) {
            parts.announce(record, "start", &[]);
        }
        let Some(exit) = record.life.exit().filter(|exit| exit.error.is_empty()) else {
            return;
        };
        if let Some(finished) = exit.finished.filter(|at| untold("die", *at)) {
            parts.announce_end(record, exit.code, (started, finished));
        }
    }
}

impl Containers {
    /// Tells which networks a container joined or left when the engine died before it could say so.
    fn tell_memberships(&self, record: &Record, runs: bool) {
        let parts = &self.parts;
        let told = parts.events.memberships(record.id.as_str());
        let held = parts.networks.endpoints(&record.id);
        let was_told = |endpoint: &&Endpoint| {
            let last = told.get(endpoint.network.as_str());
            last.is_some_and(|event| event.action == CONNECT)
        };
        // A start that was cut short is undone, what it joined is told by the next; one that ended has told that
        // it leaves, or will.
        let all_known = parts.events.reaches_back_to(nanoseconds(record.created));
        if runs && record.life.has_process() && all_known {
            for endpoint in held.iter().filter(|endpoint| !was_told(endpoint)) {
                parts.announce_network(CONNECT, endpoint);
            }
        }
        let left = told.iter().filter(|(network, event)| {
            event.action == CONNECT && !held.iter().any(|e| e.network.as_str() == network.as_str())
        });
        for (network, event) in left {
            let attributes = event.actor.attributes.iter();
            let attributes = attributes.map(|(key, value)| (key.clone(), value.clone()));
            parts
                .events
                .publish(EventKind::Network, DISCONNECT, network, attributes);
        }
    }
}

/// The journal tells an end in order with what came before it (that memory ran out), but a shim that
/// waited for its supervisor may be a moment behind the list of tasks. It is waited for, not needed.
async fn learn_end(handle: Handle, news: ExitNews) {
    let mut watch = handle.watch();
    let ended = watch.wait_for(|view| view.removed || !view.record.life.has_process());
    if tokio::time::timeout(JOURNAL_LIMIT, ended).await.is_err() {
        handle.tell(Command::Exited(news)).await;
    }
}

/// For comparison with the times of events.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

fn policy(record: &Record) -> Policy {
    let asked = &record.host.restart_policy;
    Policy::parse(&asked.name, asked.maximum_retry_count).unwrap_or(Policy::No)
}

/// What an entry of the journal means to the owner; a start was looked at before.
fn command(seen: Seen) -> Option<Command> {
    let Seen {
        cause,
        event,
        pending,
    } = seen;
    match event {
        TaskEvent::Exit {
            exec,
            pid,
            code,
            at,
            ..
        } if exec.is_empty() => Some(Command::Exited(ExitNews {
            code,
            at,
            pid: Some(pid),
            pending: Some(pending),
        })),
        TaskEvent::Oom { .. } => Some(Command::Oom { cause, pending }),
        TaskEvent::Exit { .. } | TaskEvent::Started { .. } => None,
    }
}

/// A start that was cut short after the process ran is finished; a freeze or thaw that was not
/// written is taken over.
fn catch_up_with_task(record: &mut Record, task: Option<&Task>, missed: &[Seen]) {
    let Some(task) = task else { return };
    let begun = missed.iter().rev().find_map(|seen| match &seen.event {
        TaskEvent::Started { pid, at, .. } if *pid == task.pid => Some(*at),
        _ => None,
    });
    let ran = match &task.status {
        TaskStatus::Running | TaskStatus::Paused => true,
        // Of a run that is not written yet; else it is the last one's, which is.
        TaskStatus::Stopped { at, .. } => begun.is_some() && record.last.exit.finished != *at,
        TaskStatus::Created | TaskStatus::Unknown => false,
    };
    if ran && !record.life.has_process() {
        let started = begun.flatten().or_else(|| start_of(task.pid));
        let started = started.unwrap_or_else(Timestamp::now);
        // The start of a short process may be told after its end.
        let started = match &task.status {
            TaskStatus::Stopped { at: Some(end), .. } => started.min(*end),
            _ => started,
        };
        record.life = Life::Running {
            pid: task.pid,
            started,
        };
        record.last.started = Some(started);
    }
    match (&record.life, &task.status) {
        (Life::Running { pid, started }, TaskStatus::Paused) => {
            record.life = Life::Paused {
                pid: *pid,
                started: *started,
            };
        }
        (Life::Paused { pid, started }, TaskStatus::Running) => {
            record.life = Life::Running {
                pid: *pid,
                started: *started,
            };
        }
        _ => {}
    }
}

/// `USER_HZ`: what the kernel tells user space counts so on every architecture of ours.
const TICKS_PER_SECOND: i128 = 100;

/// When a process began, by the kernel: to a hundredth of a second (proc_pid_stat(5), `starttime`).
fn start_of(pid: u32) -> Option<Timestamp> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = start_ticks(&stat)?;
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since_boot_ns = i128::from(boot.tv_sec) * 1_000_000_000 + i128::from(boot.tv_nsec);
    let began_ns = i128::from(ticks) * 1_000_000_000 / TICKS_PER_SECOND;
    let now = Timestamp::now().as_nanosecond();
    Timestamp::from_nanosecond(now - (since_boot_ns - began_ns)).ok()
}

/// The 22nd field; the second one may hold anything but is the last with a parenthesis.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_says_when_it_began() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 4242 1000 10";
        assert_eq!(start_ticks(stat), Some(4242));
        assert_eq!(start_ticks("7 (a"), None);
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let began = start_of(child.id()).unwrap();
        let apart = Timestamp::now().duration_since(began);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(apart.abs().as_secs() < 2, "{apart:?}");
    }
}
