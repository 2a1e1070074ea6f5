//! Stages to steps: what a solver has to do, and the settings the image ends with.
//!
//! Variables are expanded here, so the settings of the base images must be known. Nothing is
//! executed: a plan is complete before the first step runs.

mod action;
mod metadata;
mod stage;
mod work;

pub use action::{Action, Origin, Plan, RunStep, Script, StagePlan, Step, StepMount, TransferStep};

use std::collections::BTreeMap;

use crate::ast::Dockerfile;
use crate::error::Error;
use crate::graph::{Base, Graph, Node, Options};
use crate::lint::{self, CheckOptions, Rule, Warning};
use crate::quote::quote;
use crate::settings::Settings;
use stage::State;

impl Graph<'_> {
    /// Plans the target and what it needs.
    ///
    /// `images` holds the settings of the images that needed nodes start from, by node; one that
    /// is missing counts as an image that sets nothing.
    ///
    /// # Errors
    /// The first instruction that has no sense.
    pub fn plan(
        &self,
        images: &BTreeMap<usize, Settings>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Plan, Error> {
        let mut order = self.needed();
        // In the order of the file, so that the first fault is the one that is told; images that
        // are only copied from come first.
        order.sort_by_key(|node| (self.nodes()[*node].stage.is_some(), *node));
        self.evaluate(&order, images, warnings)
    }

    fn evaluate(
        &self,
        order: &[usize],
        images: &BTreeMap<usize, Settings>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Plan, Error> {
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        let mut stages = BTreeMap::new();
        for number in order {
            let node = &self.nodes()[*number];
            let settings = images.get(number).cloned().unwrap_or_default();
            warnings.extend(self.wrong_platform(node, &settings));
            let state = match &node.base {
                Base::Scratch => State::new(Settings::scratch()),
                Base::Image(_) => State::new(settings),
                Base::Node(base) => states[base].inherit(),
            };
            let done: Vec<usize> = states.keys().copied().collect();
            let mut evaluation = stage::Evaluation::new(self, *number, state, &done, warnings);
            evaluation.run()?;
            let (state, steps) = evaluation.finish();
            stages.insert(
                *number,
                StagePlan {
                    base: node.base.clone(),
                    platform: node.platform.clone(),
                    name: node.name.clone(),
                    lines: node.lines,
                    settings: state.settings.clone(),
                    steps,
                },
            );
            states.insert(*number, state);
        }
        let target = self.target();
        if let Some(stage) = stages.get_mut(&target) {
            let labels = self.options.labels.clone();
            stage.settings.labels.extend(labels);
        }
        Ok(Plan {
            stages,
            order: self.needed(),
            target,
        })
    }
}

impl Graph<'_> {
    /// Warns of an image that is for another platform than the stage.
    fn wrong_platform(&self, node: &Node, settings: &Settings) -> Option<Warning> {
        let Base::Image(name) = &node.base else {
            return None;
        };
        let actual = settings.platform.as_ref()?;
        let expected = node
            .platform
            .as_ref()
            .unwrap_or(&self.options.target_platform);
        if (&actual.os, &actual.architecture) == (&expected.os, &expected.architecture) {
            return None;
        }
        let (actual, expected) = (quote(&actual.to_string()), quote(&expected.to_string()));
        let message = format!(
            "Base image {name} was pulled with platform {actual}, expected {expected} for current build"
        );
        Some(Warning::new(
            Rule::InvalidBaseImagePlatform,
            message,
            node.lines,
        ))
    }
}

/// The outcome of `--check`: warnings and, if there is one, the fault that would end a build.
#[derive(Debug)]
pub struct Report {
    /// What was found, less what is not to be told.
    pub warnings: Vec<Warning>,
    /// The fault.
    pub error: Option<Error>,
}

/// Checks a file as `docker build --check` does: all stages, whether needed or not.
///
/// `images` knows the settings of base images by name; unknown ones count as setting nothing.
#[must_use]
pub fn check(
    source: &crate::Source,
    options: &Options,
    images: &dyn Fn(&str) -> Option<Settings>,
) -> Report {
    let mut warnings = Vec::new();
    let mut chosen = CheckOptions::default();
    let error = Dockerfile::parse(source).and_then(|file| {
        let text = file.directives.check.as_deref().unwrap_or_default();
        chosen = CheckOptions::parse(text)?;
        warnings = lint::check(&file);
        let graph = Graph::new(&file, options, &mut warnings)?;
        let known = |(number, node): (usize, &Node)| match &node.base {
            Base::Image(name) => images(name).map(|settings| (number, settings)),
            _ => None,
        };
        let settings = graph.nodes().iter().enumerate().filter_map(known).collect();
        let mut order: Vec<usize> = (0..graph.nodes().len()).collect();
        order.sort_by_key(|node| (graph.nodes()[*node].stage.is_some(), *node));
        graph.evaluate(&order, &settings, &mut warnings).map(|_| ())
    });
    let warnings = chosen.select(warnings);
    let error = error.and_then(|()| chosen.judge(&warnings)).err();
    Report { warnings, error }
}
