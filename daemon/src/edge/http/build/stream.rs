//! A build as the classic builder's stream: `Step n/m`, ids, output.
//!
//! Stages that do not need each other are built at once, but a reader expects one instruction after
//! the other: what comes early is put aside until its turn.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gantry_build::{Event, Instruction, Progress as Told, Stream, What};
use gantry_engine_api::progress::ProgressMessage;

use crate::edge::http::blocking::Progress;

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

impl Told for Classic<'_> {
    fn tell(&self, event: Event) {
        if let Event::Instruction(instruction) = event {
            self.instruction(instruction);
        }
    }
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
