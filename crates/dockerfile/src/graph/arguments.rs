//! Arguments outside stages: platforms, target, and the `ARG`s before the first `FROM`.

use std::collections::BTreeMap;

use gantry_ids::ImageRef;

use super::Graph;
use crate::ast::Kind;
use crate::error::{Error, Meaning};
use crate::expand::{Expanded, Lexer};
use crate::lint::{Rule, Warning};
use crate::source::Lines;

/// Arguments outside stages: names with values, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Globals {
    pub(crate) names: Vec<String>,
    pub(crate) values: BTreeMap<String, String>,
}

impl Globals {
    fn set(&mut self, name: &str, value: Option<String>) {
        self.names.push(name.to_owned());
        // A variable without a value is an empty one here.
        self.values
            .insert(name.to_owned(), value.unwrap_or_default());
    }
}

impl Graph<'_> {
    /// Sets the global arguments; returns them as they are without build arguments.
    pub(super) fn read_globals(&mut self) -> Result<Globals, Error> {
        let mut globals = Globals::default();
        for (name, value) in self.platform_arguments() {
            let given = self.options.build_args.get(name).cloned();
            globals.set(name, Some(given.unwrap_or(value)));
        }
        let mut defaults = globals.clone();
        for instruction in &self.file.globals {
            let Kind::Arg(arguments) = &instruction.kind else {
                continue;
            };
            for argument in arguments {
                let default = |from: &Globals| match &argument.value {
                    Some(value) => expand(self.lexer(), value, from, instruction.text.lines)
                        .map(|expanded| Some(expanded.text)),
                    None => Ok(None),
                };
                let value = match self.options.build_args.get(&argument.name) {
                    Some(given) => Some(given.clone()),
                    None => default(&globals)?,
                };
                globals.set(&argument.name, value);
                let value = default(&defaults).unwrap_or_default();
                defaults.set(&argument.name, value);
            }
        }
        self.globals = globals;
        Ok(defaults)
    }

    /// The arguments that describe platforms and target.
    fn platform_arguments(&self) -> Vec<(&'static str, String)> {
        let build = &self.options.build_platform;
        let target = &self.options.target_platform;
        let given = self.options.target.clone().filter(|name| !name.is_empty());
        let last = self.file.stages.last();
        let stage = given.or_else(|| last.and_then(|stage| stage.from.name.clone()));
        vec![
            ("BUILDPLATFORM", build.to_string()),
            ("BUILDOS", build.os.clone()),
            ("BUILDOSVERSION", String::new()),
            ("BUILDARCH", build.architecture.clone()),
            ("BUILDVARIANT", build.variant.clone()),
            ("TARGETPLATFORM", target.to_string()),
            ("TARGETOS", target.os.clone()),
            ("TARGETOSVERSION", String::new()),
            ("TARGETARCH", target.architecture.clone()),
            ("TARGETVARIANT", target.variant.clone()),
            ("TARGETSTAGE", stage.unwrap_or_else(|| "default".to_owned())),
        ]
    }

    /// Warns of bases that have no sense without build arguments.
    pub(super) fn check_defaults(&self, defaults: &Globals, warnings: &mut Vec<Warning>) {
        for stage in &self.file.stages {
            let lines = stage.from.text.lines;
            let Ok(name) = expand(self.lexer(), &stage.from.base, defaults, lines) else {
                return;
            };
            if name.text.parse::<ImageRef>().is_err() {
                let message = format!(
                    "Default value for ARG {} results in empty or invalid base image name",
                    stage.from.base
                );
                warnings.push(Warning::new(Rule::InvalidDefaultArgInFrom, message, lines));
            }
        }
    }
}

pub(super) fn expand(
    lexer: Lexer,
    word: &str,
    globals: &Globals,
    lines: Lines,
) -> Result<Expanded, Error> {
    lexer.expand(word, &globals.values).map_err(|reason| {
        let word = word.to_owned();
        Error::new(Meaning::Expansion { word, reason }, lines)
    })
}
