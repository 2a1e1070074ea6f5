//! One stage under evaluation: its variables, settings and the steps so far.

use std::collections::BTreeMap;

use super::action::{Action, Step};
use crate::ast::{Dockerfile, Instruction, Kind, Text};
use crate::error::{Error, Fault, Meaning};
use crate::expand::{Expanded, Lexer, Variables};
use crate::graph::Graph;
use crate::lint::{Rule, Warning};
use crate::settings::{DEFAULT_PATH, History, Settings, split_env};
use crate::source::{Lines, Source};
use crate::suggest;

/// What a stage hands on to stages that start from it.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) settings: Settings,
    /// All variables, arguments included, in the order in which they came.
    pub(super) variables: Scope,
    /// Whether the Dockerfile itself has set a directory.
    pub(super) has_workdir: bool,
    /// The arguments declared so far, in order, with their values.
    pub(super) arguments: Vec<(String, Option<String>)>,
}

/// Variables in order of appearance.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) names: Vec<String>,
    values: BTreeMap<String, String>,
}

impl Scope {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if self
            .values
            .insert(name.to_owned(), value.to_owned())
            .is_none()
        {
            self.names.push(name.to_owned());
        }
    }

    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let pair = |name: &String| (name.clone(), self.values[name].clone());
        self.names.iter().map(pair).collect()
    }
}

impl Variables for Scope {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

impl State {
    pub(super) fn new(mut settings: Settings) -> Self {
        if !settings.env.iter().any(|line| split_env(line).0 == "PATH") {
            settings.env.push(format!("PATH={DEFAULT_PATH}"));
        }
        let mut variables = Scope::default();
        for line in &settings.env {
            let (name, value) = split_env(line);
            variables.set(name, value);
        }
        Self {
            settings,
            variables,
            has_workdir: false,
            arguments: Vec::new(),
        }
    }

    pub(super) fn inherit(&self) -> Self {
        self.clone()
    }
}

/// A stage under evaluation.
pub(super) struct Evaluation<'a> {
    pub(super) graph: &'a Graph<'a>,
    pub(super) node: usize,
    pub(super) state: State,
    /// The nodes evaluated before.
    pub(super) done: &'a [usize],
    pub(super) warnings: &'a mut Vec<Warning>,
    /// Where `CMD`, `ENTRYPOINT` and `HEALTHCHECK` were last set in this stage.
    pub(super) last_set: BTreeMap<&'static str, Lines>,
    pub(super) steps: Vec<Step>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        graph: &'a Graph<'a>,
        node: usize,
        state: State,
        done: &'a [usize],
        warnings: &'a mut Vec<Warning>,
    ) -> Self {
        Self {
            graph,
            node,
            state,
            done,
            warnings,
            last_set: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (State, Vec<Step>) {
        (self.state, self.steps)
    }

    /// Evaluates the triggers of the base, then the stage's instructions.
    pub(super) fn run(&mut self) -> Result<(), Error> {
        let Some(number) = self.graph.nodes()[self.node].stage else {
            return Ok(());
        };
        let stage = &self.graph.file.stages[number];
        let triggers = std::mem::take(&mut self.state.settings.onbuild);
        for trigger in &triggers {
            self.trigger(trigger, &stage.from.text)?;
        }
        for instruction in &stage.instructions {
            self.instruction(instruction)?;
        }
        Ok(())
    }

    /// An instruction that the base image left for its children.
    fn trigger(&mut self, trigger: &str, from: &Text) -> Result<(), Error> {
        let fault = |fault: &Error| {
            let meaning = Meaning::Onbuild {
                trigger: trigger.to_owned(),
                reason: fault.to_string(),
            };
            Error::new(meaning, from.lines)
        };
        // A file of its own, with a base so that it parses.
        let source = Source::new("ONBUILD", format!("FROM scratch\n{trigger}").as_bytes());
        let file = Dockerfile::parse(&source).map_err(|error| fault(&error))?;
        let [stage] = file.stages.as_slice() else {
            return Err(Error::new(Meaning::OnbuildSingle, from.lines));
        };
        let [instruction] = stage.instructions.as_slice() else {
            return Err(Error::new(Meaning::OnbuildSingle, from.lines));
        };
        if matches!(instruction.kind, Kind::Onbuild(_) | Kind::Maintainer(_)) {
            return Err(Error::new(Meaning::OnbuildSingle, from.lines));
        }
        let mut instruction = instruction.clone();
        instruction.text.lines = from.lines;
        instruction.text.span = from.span.clone();
        self.instruction(&instruction)
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<(), Error> {
        let text = &instruction.text;
        let placed = |fault: Fault| Error {
            kind: Box::new(fault),
            lines: vec![text.lines],
            span: None,
        };
        let done = match &instruction.kind {
            Kind::Run(run) => self.run_step(run, text),
            Kind::Copy(copy) => self.transfer(copy, false, text),
            Kind::Add(add) => self.transfer(add, true, text),
            kind => self.metadata(kind, text),
        };
        let (action, history) = done.map_err(placed)?;
        if let Some(history) = &history {
            self.state.settings.history.push(history.clone());
        }
        self.steps.push(Step {
            code: text.code.clone(),
            lines: text.lines,
            action,
            settings: self.state.settings.clone(),
            history,
        });
        Ok(())
    }

    pub(super) fn warn(&mut self, rule: Rule, message: impl Into<String>, lines: Lines) {
        self.warnings.push(Warning::new(rule, message, lines));
    }

    /// Expands a word of an argument.
    pub(super) fn word(&mut self, word: &str, text: &Text) -> Result<String, Fault> {
        Ok(self.expanded(self.graph.lexer(), word, text)?.text)
    }

    /// Expands a word and warns of variables that nobody has defined.
    pub(super) fn expanded(
        &mut self,
        lexer: Lexer,
        word: &str,
        text: &Text,
    ) -> Result<Expanded, Fault> {
        let expanded = lexer.expand(word, &self.state.variables);
        let expanded = expanded.map_err(|reason| Meaning::Expansion {
            word: word.to_owned(),
            reason,
        })?;
        for name in &expanded.unmatched {
            if self.state.arguments.iter().any(|(known, _)| known == name) {
                continue;
            }
            let globals = self.graph.globals.names.iter();
            let names = globals
                .chain(&self.state.variables.names)
                .map(String::as_str);
            let hint = suggest::nearest(name, names, true)
                .map(|near| format!(" (did you mean ${near}?)"))
                .unwrap_or_default();
            let message = format!("Usage of undefined variable '${name}'{hint}");
            self.warnings
                .push(Warning::new(Rule::UndefinedVar, message, text.lines));
        }
        Ok(expanded)
    }
}

/// A change of settings alone, with its history.
pub(super) fn settings_only(created_by: String) -> (Action, Option<History>) {
    let history = History {
        created_by,
        empty_layer: true,
    };
    (Action::Settings, Some(history))
}
