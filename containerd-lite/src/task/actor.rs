//! The actor that owns one task: the only writer of its state.
//!
//! It never waits for a shim. What waits runs as a job; the actor goes on answering, and takes the
//! job's end as its next input. Effects are carried out in the order the machine gives them: the record
//! is written before anything is published, and a client is answered last.

use std::sync::Arc;

use gantry_errors::chain;
use gantry_telemetry::failpoint;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::context::Context;
use super::error::TaskError;
use super::handle::{Answer, Handle, Message, View, Work};
use super::jobs::{self, Done, Site};
use super::machine::{Effect, Input, Op, Outcome, State, step};
use super::process::{Exit, ProcessId};
use super::record::Record;
use crate::event::{Event, payload};
use crate::names::Key;
use crate::shim::{Binary, Shim};

/// How many messages wait for one task before its clients do.
const INBOX: usize = 64;

struct Actor {
    site: Site,
    state: State,
    shim: Option<Shim>,
    record: Record,
    view: watch::Sender<View>,
    inbox: mpsc::Receiver<Message>,
    jobs: JoinSet<Done>,
    waiters: Vec<Waiter>,
    /// Whether the shim itself deleted the task.
    orderly: bool,
}

struct Waiter {
    process: ProcessId,
    reply: oneshot::Sender<Result<Exit, TaskError>>,
}

/// Starts the actor of `key` in `state`, with what is recorded of the task.
pub(super) fn spawn(context: &Arc<Context>, key: &Key, state: State, record: Record) -> Handle {
    let (send, inbox) = mpsc::channel(INBOX);
    let (view, shown) = watch::channel(View {
        state: state.clone(),
        shim: None,
    });
    let handle = Handle::new(key.clone(), send, shown);
    let orderly = record.deleted;
    let mut actor = Actor {
        site: Site {
            context: Arc::clone(context),
            key: key.clone(),
            bundle: context.layout.bundle(key),
        },
        state,
        shim: None,
        record,
        view,
        inbox,
        jobs: JoinSet::new(),
        waiters: Vec::new(),
        orderly,
    };
    let own = handle.clone();
    tokio::spawn(async move {
        actor.resume();
        actor.run().await;
        actor.site.context.table.forget(&own);
    });
    handle
}

impl Actor {
    async fn run(&mut self) {
        while self.state != State::Gone {
            tokio::select! {
                // What has happened comes before what is asked.
                biased;
                Some(done) = self.jobs.join_next() => match done {
                    Ok(done) => self.done(done),
                    Err(error) => tracing::error!(%error, "a task's job panicked"),
                },
                Some(message) = self.inbox.recv() => self.message(message),
                else => return,
            }
            self.answer_waiters();
        }
    }

    /// Takes up what an earlier supervisor left.
    fn resume(&mut self) {
        match &self.state {
            State::Recovering(_) | State::Abandoned => {
                let known = self.record.processes.clone();
                // A supervisor killed at once after a shim's start did not note its socket.
                let told = || self.site.bundle.address();
                match self.record.socket.clone().or_else(told) {
                    Some(socket) => {
                        self.jobs
                            .spawn(jobs::reach(self.site.clone(), socket, known));
                    }
                    None => self.take(Input::ShimGone),
                }
            }
            State::Buried(processes) if !self.record.announced => {
                for (id, pid, exit) in processes.exits() {
                    self.announce_exit(&id, pid, exit);
                }
                self.mark_announced();
            }
            State::Creating
            | State::Live(_)
            | State::Deleting(_)
            | State::Burying { .. }
            | State::Buried(_)
            | State::Cleaning
            | State::Gone => {}
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Work(work) => self.work(*work),
            Message::Saw(sight, shown) => {
                self.take(Input::Saw(*sight));
                let _ = shown.send(());
            }
            Message::Wait(process, reply) => {
                let process = *process;
                self.waiters.push(Waiter { process, reply });
            }
        }
    }

    /// Starts what a client asks, or refuses it.
    fn work(&mut self, work: Work) {
        let before = self.subject(&work.op);
        match step(self.state.clone(), Input::Asked(work.op.clone())) {
            Err(source) => {
                let task = self.site.key.id.clone();
                let refused = TaskError::Rejected { task, source };
                let _ = work.reply.send(Err(refused));
            }
            Ok((state, effects)) => {
                self.show(state);
                if effects.contains(&Effect::Call) {
                    self.call(work);
                } else {
                    for effect in effects {
                        self.carry_out(effect);
                    }
                    let _ = work.reply.send(Ok(before));
                }
            }
        }
    }

    /// What a deletion will have deleted.
    fn subject(&self, op: &Op) -> Answer {
        let id = match op {
            Op::DeleteExec(id) | Op::Exec(id, _) => ProcessId::Exec(id.clone()),
            Op::Start(id) => id.clone(),
            Op::Create(_) | Op::Pause | Op::Resume | Op::Delete => ProcessId::Init,
        };
        let process = self.state.processes().and_then(|all| all.get(&id));
        Answer {
            pid: process.map_or(0, |process| process.pid),
            exit: process.and_then(super::Process::exit),
        }
    }

    fn call(&mut self, work: Work) {
        if matches!(work.op, Op::Create(_)) {
            let span = work.span.clone();
            let job = jobs::create(self.site.clone(), work).instrument(span);
            self.jobs.spawn(job);
        } else if let Some(shim) = &self.shim {
            let span = work.span.clone();
            let job = jobs::call(shim.client.clone(), work).instrument(span);
            self.jobs.spawn(job);
        }
        // Without a shim the reply is dropped, which the client sees as "no such task".
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Called { op, result, reply } => self.called(op, result, reply),
            Done::Created {
                op,
                shim,
                result,
                reply,
            } => {
                if let Some(shim) = shim {
                    self.adopt(shim);
                }
                // The job has written the record's beginning.
                if let Ok(Some(record)) = Record::read(self.site.bundle.path()) {
                    self.record = record;
                }
                self.called(op, result, reply);
            }
            Done::Reached(shim, processes) => {
                // A shim that has no task any more deleted it, and only has to be told to end.
                let recovering = matches!(self.state, State::Recovering(_));
                self.orderly |= recovering && processes.is_none();
                self.adopt(shim);
                self.take(Input::Reached(processes));
            }
            Done::Unreachable | Done::ShimGone => {
                self.shim = None;
                self.take(Input::ShimGone);
            }
            Done::Interred(events, exit) => self.interred(events, exit),
            Done::Cleaned(events) => self.cleaned(&events),
        }
    }

    fn called(
        &mut self,
        op: Op,
        result: Result<Answer, TaskError>,
        reply: oneshot::Sender<Result<Answer, TaskError>>,
    ) {
        let outcome = match &result {
            Ok(answer) => Outcome::Done(answer.pid),
            Err(_) => Outcome::Failed,
        };
        let deleted = op == Op::Delete && result.is_ok();
        self.orderly |= deleted;
        self.take(Input::Did(op, outcome));
        if deleted {
            let _ = failpoint("delete.task");
        }
        let _ = reply.send(result);
    }

    fn adopt(&mut self, shim: Shim) {
        self.jobs.spawn(jobs::watch(shim.alive.clone()));
        self.shim = Some(shim);
    }

    /// A dead shim's last words come first, then what is made up for those it did not say.
    fn interred(&mut self, events: Vec<Event>, exit: Option<Exit>) {
        for event in events {
            if let Some((_, sight)) = payload::sight(&event.payload) {
                self.take(Input::Saw(sight));
            }
            self.publish(&event);
        }
        self.record.buried = true;
        self.take(Input::Interred(exit));
        self.mark_announced();
    }

    /// The bundle goes last: it holds what has not been published.
    fn cleaned(&mut self, events: &[Event]) {
        for event in events {
            self.publish(event);
        }
        if let Err(error) = self.site.bundle.remove() {
            let error = chain(&error).to_string();
            tracing::error!(container.id = %self.site.key.id, error, "a bundle stays");
        }
        self.take(Input::Cleaned);
    }

    fn mark_announced(&mut self) {
        if matches!(self.state, State::Buried(_)) {
            self.record.announced = true;
            self.write_record();
        }
    }

    /// Takes an input that is never refused.
    fn take(&mut self, input: Input) {
        match step(self.state.clone(), input) {
            Ok((state, effects)) => {
                self.show(state);
                for effect in effects {
                    self.carry_out(effect);
                }
            }
            Err(rejected) => tracing::error!(%rejected, "a task refused what has happened"),
        }
    }

    fn show(&mut self, state: State) {
        self.state = state.clone();
        let shim = self.shim.as_ref().map(|shim| shim.client.clone());
        self.view.send_replace(View { state, shim });
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            // Only `work` sees it, and carries it out there.
            Effect::Call => {}
            Effect::Record => {
                self.record.processes = self.state.processes().cloned();
                self.write_record();
            }
            Effect::AnnounceExit(process, pid, exit) => self.announce_exit(&process, pid, exit),
            Effect::AnnounceDelete(pid, exit) => {
                let payload = payload::delete(&self.site.key.id, pid, exit);
                self.announce(gantry_proto::topic::TASK_DELETE, payload);
            }
            Effect::Bury => {
                let binary = Binary(self.record.binary.clone());
                self.jobs.spawn(jobs::bury(self.site.clone(), binary));
            }
            Effect::Clean => {
                // From here on the next supervisor goes on cleaning, and shows no task. One that was never
                // acknowledged it shows to nobody anyhow, and its shim has deleted nothing: it would not
                // end when told to.
                self.record.deleted |= self.record.processes.is_some();
                if self.site.bundle.path().is_dir() {
                    self.write_record();
                }
                let binary = Binary(self.record.binary.clone());
                let shim = self.shim.take();
                let orderly = self.orderly || self.record.buried;
                self.jobs
                    .spawn(jobs::clean(self.site.clone(), binary, shim, orderly));
            }
        }
    }

    fn write_record(&self) {
        if let Err(error) = self.record.write(self.site.bundle.path()) {
            let error = chain(&error).to_string();
            tracing::error!(container.id = %self.site.key.id, error, "a task was not recorded");
        }
        let _ = failpoint("task.recorded");
    }

    fn announce_exit(&self, process: &ProcessId, pid: u32, exit: Exit) {
        let payload = payload::exit(&self.site.key.id, process, pid, exit);
        self.announce(gantry_proto::topic::TASK_EXIT, payload);
    }

    fn announce(&self, topic: &str, payload: crate::typed::Typed) {
        self.publish(&Event::now(self.site.key.namespace.clone(), topic, payload));
    }

    fn publish(&self, event: &Event) {
        if let Err(error) = self.site.context.journal.append(event) {
            let error = chain(&error).to_string();
            tracing::error!(topic = event.topic, error, "an event was not published");
        }
    }

    fn answer_waiters(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let waiters = std::mem::take(&mut self.waiters);
        for waiter in waiters {
            if waiter.reply.is_closed() {
                continue;
            }
            let task = || self.site.key.id.clone();
            let answer = match self.state.processes() {
                None if self.state == State::Creating => None,
                None => Some(Err(TaskError::NoTask(task()))),
                Some(processes) => match processes.get(&waiter.process) {
                    Some(process) => process.exit().map(Ok),
                    None => Some(Err(TaskError::NoProcess {
                        task: task(),
                        process: waiter.process.clone(),
                    })),
                },
            };
            match answer {
                Some(answer) => {
                    let _ = waiter.reply.send(answer);
                }
                None => self.waiters.push(waiter),
            }
        }
    }
}
