//! What a build has told so far, in BuildKit's messages, for whoever watches: from the beginning,
//! however late they come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, Stream};
use gantry_build::{Ending, Event, Log, Progress, Status, Warning};
use gantry_dockerfile::Source;
use gantry_ids::Digest;
use jiff::Timestamp;
use tokio::sync::watch;

use super::failure::CANCELLED;
use crate::wire::control::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};
use crate::wire::pb;

/// How much of a step's output is kept, bytes: BuildKit's limit.
const LOG_BYTES_MAX: usize = 2 << 20;

/// What fetching the Dockerfile is called.
pub(super) const LOAD: &str = "[internal] load build definition from ";

/// What exports are called.
const EXPORT: &str = "exporting to ";

/// Tells exports of different builds apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// How often the same part of a piece of work is told.
const STATUS_PAUSE: Duration = Duration::from_millis(100);

/// The journal of a build.
#[derive(Debug, Default)]
pub struct Journal {
    state: Mutex<State>,
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<StatusResponse>,
    vertexes: HashMap<Digest, Vertex>,
    logged: HashMap<Digest, usize>,
    statuses: HashMap<(Digest, String), Instant>,
    /// Work of the solver that the door has done and told already.
    aliases: HashMap<Digest, Digest>,
    /// Exports, by the solver's names of them: each build's are its own.
    exports: HashMap<Digest, Digest>,
    source: Option<pb::SourceInfo>,
    is_ended: bool,
}

impl Journal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The Dockerfile that warnings are about.
    pub fn set_source(&self, source: &Source) {
        self.lock().source = Some(pb::SourceInfo {
            filename: source.name().to_owned(),
            data: source.text().as_bytes().to_vec(),
            definition: None,
            language: "Dockerfile".to_owned(),
        });
    }

    /// Nothing more will be told.
    pub fn end(&self) {
        self.lock().is_ended = true;
        self.told.send_modify(|count| *count += 1);
    }

    /// Everything from the beginning to the end; what is there together comes together.
    pub fn follow(self: &Arc<Self>) -> impl Stream<Item = StatusResponse> + Send + use<> {
        let start = (Arc::clone(self), self.told.subscribe(), 0);
        stream::unfold(start, |(journal, mut told, mut next)| async move {
            loop {
                told.borrow_and_update();
                let (fresh, is_ended) = journal.since(&mut next);
                if let Some(fresh) = fresh {
                    return Some((fresh, (journal, told, next)));
                }
                if is_ended || told.changed().await.is_err() {
                    return None;
                }
            }
        })
    }

    fn since(&self, next: &mut usize) -> (Option<StatusResponse>, bool) {
        let state = self.lock();
        let mut all: Option<StatusResponse> = None;
        for entry in &state.entries[*next..] {
            let all = all.get_or_insert_default();
            all.vertexes.extend_from_slice(&entry.vertexes);
            all.statuses.extend_from_slice(&entry.statuses);
            all.logs.extend_from_slice(&entry.logs);
            all.warnings.extend_from_slice(&entry.warnings);
        }
        *next = state.entries.len();
        (all, state.is_ended)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Journal {
    fn tell(&self, event: Event) {
        let mut state = self.lock();
        let Some(entry) = state.entry(event) else {
            return;
        };
        state.entries.push(entry);
        drop(state);
        self.told.send_modify(|count| *count += 1);
    }
}

impl State {
    fn entry(&mut self, event: Event) -> Option<StatusResponse> {
        let mut entry = StatusResponse::default();
        match event {
            Event::Vertex(vertex) => {
                if let Some(own) = self.loaded(&vertex.name) {
                    self.aliases.insert(vertex.digest, own);
                    return None;
                }
                let digest = self.named(&vertex);
                let told = Vertex {
                    digest: digest.to_string(),
                    inputs: vertex.inputs.iter().map(Digest::to_string).collect(),
                    name: vertex.name,
                    ..Vertex::default()
                };
                self.vertexes.insert(digest, told.clone());
                entry.vertexes.push(told);
            }
            Event::Began { vertex, at } => {
                let vertex = self.own(vertex);
                let told = self.vertexes.get_mut(&vertex)?;
                told.started = Some(time(at));
                entry.vertexes.push(told.clone());
            }
            Event::Ended { vertex, at, how } => {
                let vertex = self.own(vertex);
                let told = self.vertexes.get_mut(&vertex)?;
                told.started.get_or_insert(time(at));
                told.completed = Some(time(at));
                match how {
                    Ending::Done => {}
                    Ending::Cached => told.cached = true,
                    Ending::Failed(text) => told.error = text,
                    Ending::Cancelled => CANCELLED.clone_into(&mut told.error),
                }
                entry.vertexes.push(told.clone());
            }
            Event::Status(status) => entry.statuses.push(self.status(status)?),
            Event::Log(log) => entry.logs.push(self.log(log)?),
            Event::Warning(warning) => entry.warnings.push(self.warning(&warning)),
            // The classic builder's view.
            Event::Instruction(_) => return None,
        }
        Some(entry)
    }

    /// The door's own fetching of the Dockerfile, which the solver tells under the same name.
    fn loaded(&self, name: &str) -> Option<Digest> {
        let is_load = name.starts_with(LOAD);
        let mut told = self.vertexes.iter().filter(|_| is_load);
        told.find(|(_, vertex)| vertex.name == name).map(|it| *it.0)
    }

    /// What a piece of work is called in this build. Steps of one name are the same in all builds that
    /// a client watches at once; exports are not.
    fn named(&mut self, vertex: &gantry_build::Vertex) -> Digest {
        if !vertex.name.starts_with(EXPORT) {
            return vertex.digest;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let own = Digest::of(format!("export {number} {}", vertex.digest).as_bytes());
        self.exports.insert(vertex.digest, own);
        own
    }

    fn own(&self, vertex: Digest) -> Digest {
        self.exports.get(&vertex).copied().unwrap_or(vertex)
    }

    /// None if the same was told a moment ago, and this is not its end.
    fn status(&mut self, status: Status) -> Option<VertexStatus> {
        if self.aliases.contains_key(&status.vertex) {
            return None;
        }
        let key = (status.vertex, status.id.clone());
        let now = Instant::now();
        let is_fresh = self
            .statuses
            .get(&key)
            .is_none_or(|last| now.duration_since(*last) >= STATUS_PAUSE);
        if !is_fresh && status.completed.is_none() {
            return None;
        }
        self.statuses.insert(key, now);
        let is_transfer = status.id.starts_with("transferring ");
        let bytes = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Some(VertexStatus {
            id: status.id,
            vertex: self.own(status.vertex).to_string(),
            name: String::new(),
            current: bytes(status.current),
            // How much comes of a context is known when it is there: nobody shows it.
            total: if is_transfer { 0 } else { bytes(status.total) },
            timestamp: Some(time(Timestamp::now())),
            started: Some(time(status.started)),
            completed: status.completed.map(time),
        })
    }

    /// None once the step has written more than is kept.
    fn log(&mut self, log: Log) -> Option<VertexLog> {
        let logged = self.logged.entry(log.vertex).or_default();
        if *logged >= LOG_BYTES_MAX {
            return None;
        }
        *logged += log.bytes.len();
        let mut msg = log.bytes;
        if *logged >= LOG_BYTES_MAX {
            msg.extend_from_slice(b"\n[output clipped, log limit 2MiB reached]\n");
        }
        Some(VertexLog {
            vertex: log.vertex.to_string(),
            timestamp: Some(time(log.at)),
            stream: match log.stream {
                gantry_build::Stream::Stdout => 1,
                gantry_build::Stream::Stderr => 2,
            },
            msg,
        })
    }

    fn warning(&self, warning: &Warning) -> VertexWarning {
        let lint = &warning.lint;
        let line = |line: usize| pb::Position {
            line: i32::try_from(line).unwrap_or(i32::MAX),
            character: 0,
        };
        let short = format!(
            "{}: {} (line {})",
            lint.rule.name(),
            lint.message,
            lint.lines.first
        );
        let vertex = self.aliases.get(&warning.vertex).unwrap_or(&warning.vertex);
        VertexWarning {
            vertex: vertex.to_string(),
            level: 1,
            short: short.into_bytes(),
            detail: vec![lint.rule.description().as_bytes().to_vec()],
            url: lint.rule.url().unwrap_or_default(),
            info: self.source.clone(),
            ranges: vec![pb::Range {
                start: Some(line(lint.lines.first)),
                end: Some(line(lint.lines.last)),
            }],
        }
    }
}

fn time(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    }
}

#[cfg(test)]
mod tests;
