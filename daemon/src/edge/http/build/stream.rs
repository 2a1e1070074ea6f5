//! A build as the classic builder's stream: `Step n/m`, ids, output.
//!
//! Stages that do not need each other are built at once, but a reader expects one instruction after
//! the other: what comes early is put aside until its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use gantry_build::{Ending, Event, Instruction, Progress as Told, Status, Stream, What};
use gantry_engine_api::progress::{ProgressDetail, ProgressMessage};
use gantry_ids::Digest;

use crate::edge::http::blocking::Progress;

/// What the solver calls the work of finding a base image.
const METADATA: &str = "[internal] load metadata for ";

/// What the solver calls the work of reading an image's cache.
const IMPORT: &str = "importing cache manifest from ";

/// Draws a build's events.
pub(super) struct Classic<'a> {
    progress: &'a Progress,
    is_quiet: bool,
    removes: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The instruction whose turn it is.
    turn: usize,
    /// What came early, by instruction.
    aside: BTreeMap<usize, Vec<What>>,
    total: usize,
    /// The program that runs, by instruction.
    programs: BTreeMap<usize, String>,
    /// Pieces of work that fetch base images.
    pulls: BTreeSet<Digest>,
    /// Pieces of work that fetch caches: a failure of theirs is a warning.
    imports: BTreeSet<Digest>,
}

impl<'a> Classic<'a> {
    pub(super) fn new(progress: &'a Progress, (is_quiet, removes): (bool, bool)) -> Self {
        Self {
            progress,
            is_quiet,
            removes,
            state: Mutex::new(State {
                turn: 1,
                ..State::default()
            }),
        }
    }

    /// Tells what was put aside when the build ended before its turn.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        for (number, list) in std::mem::take(&mut state.aside) {
            for what in list {
                self.draw(&mut state, number, what);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, state: &mut State, number: usize, what: What) {
        let text = match what {
            What::Began(code) => format!("Step {number}/{} : {code}\n", state.total),
            What::Running(id) => {
                let short = short(&id);
                state.programs.insert(number, short.clone());
                format!(" ---> Running in {short}\n")
            }
            What::Wrote(Stream::Stdout, bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // As the stock engine marks it.
            What::Wrote(Stream::Stderr, bytes) => {
                format!("\u{1b}[91m{}\u{1b}[0m", String::from_utf8_lossy(&bytes))
            }
            What::Cached => " ---> Using cache\n".to_owned(),
            What::Ended(digest) => {
                let removed = state.programs.remove(&number).filter(|_| self.removes);
                let removed =
                    removed.map(|id| format!(" ---> Removed intermediate container {id}\n"));
                format!("{} ---> {}\n", removed.unwrap_or_default(), digest.short())
            }
        };
        if !self.is_quiet {
            self.progress.tell(ProgressMessage::stream(text));
        }
    }

    fn instruction(&self, instruction: Instruction) {
        let mut state = self.lock();
        state.total = instruction.total;
        if instruction.number != state.turn {
            let aside = state.aside.entry(instruction.number).or_default();
            aside.push(instruction.what);
            return;
        }
        let mut is_over = matches!(instruction.what, What::Ended(_));
        self.draw(&mut state, instruction.number, instruction.what);
        while is_over {
            state.turn += 1;
            let number = state.turn;
            let list = state.aside.remove(&number).unwrap_or_default();
            is_over = matches!(list.last(), Some(What::Ended(_)));
            for what in list {
                self.draw(&mut state, number, what);
            }
        }
    }
}

impl Classic<'_> {
    /// How far a layer of a base image is, as `docker pull` is told.
    fn pull(&self, status: &Status) {
        if self.is_quiet || !self.lock().pulls.contains(&status.vertex) {
            return;
        }
        let (text, detail) = match (status.current, status.total) {
            (_, 0) => ("Pulling fs layer", ProgressDetail::default()),
            (1, 1) => ("Pull complete", ProgressDetail::default()),
            (current, total) => {
                let count = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
                let (current, total) = (count(current), count(total));
                ("Downloading", ProgressDetail { current, total })
            }
        };
        let message = ProgressMessage::layer(status.id.clone(), text, detail);
        self.progress.tell(message);
    }
}

impl Told for Classic<'_> {
    fn tell(&self, event: Event) {
        match event {
            Event::Instruction(instruction) => self.instruction(instruction),
            Event::Vertex(vertex) if vertex.name.starts_with(METADATA) => {
                self.lock().pulls.insert(vertex.digest);
            }
            Event::Vertex(vertex) if vertex.name.starts_with(IMPORT) => {
                self.lock().imports.insert(vertex.digest);
            }
            Event::Ended {
                vertex,
                how: Ending::Failed(text),
                ..
            } if !self.is_quiet && self.lock().imports.contains(&vertex) => {
                let text = format!("[Warning] {text}\n");
                self.progress.tell(ProgressMessage::stream(text));
            }
            Event::Status(status) => self.pull(&status),
            _ => {}
        }
    }
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
