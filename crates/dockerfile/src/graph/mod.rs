//! Which stages a build has, what each starts from and needs, and which the target needs.

mod arguments;
mod draw;
mod needs;

use std::collections::BTreeMap;

use gantry_ids::ImageRef;

use crate::ast::{Dockerfile, FromLine};
use crate::error::{Error, Meaning};
use crate::expand::{Expanded, Lexer};
use crate::ignore::Patterns;
use crate::lint::{Rule, Warning};
use crate::platform::Platform;
use crate::quote::quote;
use crate::source::Lines;
use crate::suggest;
use arguments::{Globals, expand};

/// What the client asks of a build besides the file.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--target`: a stage's name or number; none means the last stage.
    pub target: Option<String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// What builds.
    pub build_platform: Platform,
    /// What is built for.
    pub target_platform: Platform,
    /// What `.dockerignore` leaves out of the context, for the check that looks at it.
    pub ignored: Patterns,
}

impl Options {
    /// A plain build on and for a platform.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            build_args: BTreeMap::new(),
            target: None,
            labels: BTreeMap::new(),
            build_platform: platform.clone(),
            target_platform: platform,
            ignored: Patterns::default(),
        }
    }
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage, by its node.
    Node(usize),
    /// An image, by its name with variables expanded.
    Image(String),
}

/// A stage, or an image that only `--from` names.
#[derive(Debug, Clone)]
pub struct Node {
    /// The stage's number in the file; none for an image that is only copied from.
    pub stage: Option<usize>,
    /// What messages call it: its name, `stage-2`, or nothing if it is the only one.
    pub name: String,
    /// What it starts from.
    pub base: Base,
    /// `FROM --platform`.
    pub platform: Option<Platform>,
    /// Where it stands.
    pub lines: Lines,
    /// The nodes it copies or mounts from, with the instruction that does.
    pub(crate) needs: Vec<(usize, Lines)>,
}

/// The stages of a file and how they depend on one another.
#[derive(Debug)]
pub struct Graph<'a> {
    pub(crate) file: &'a Dockerfile,
    pub(crate) options: &'a Options,
    /// Global arguments with platform arguments, later ones winning.
    pub(crate) globals: Globals,
    nodes: Vec<Node>,
    target: usize,
}

impl<'a> Graph<'a> {
    /// Finds the stages and their dependencies.
    ///
    /// # Errors
    /// A base, a platform, a `--from` or a target that has no sense; stages in a circle.
    pub fn new(
        file: &'a Dockerfile,
        options: &'a Options,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, Error> {
        let mut graph = Self {
            file,
            options,
            globals: Globals::default(),
            nodes: Vec::new(),
            target: 0,
        };
        let defaults = graph.read_globals()?;
        graph.check_defaults(&defaults, warnings);
        for (number, stage) in file.stages.iter().enumerate() {
            let node = graph.stage(number, &stage.from, warnings)?;
            graph.nodes.push(node);
        }
        graph.target = graph.find_target()?;
        for number in 0..file.stages.len() {
            let lines = file.stages[number].from.text.lines;
            for need in graph.triggered(number) {
                graph.nodes[number].needs.push((need, lines));
            }
            for instruction in &file.stages[number].instructions {
                for need in graph.needs(instruction)? {
                    graph.nodes[number]
                        .needs
                        .push((need, instruction.text.lines));
                }
            }
        }
        graph.refuse_circles()?;
        if graph.nodes.len() == 1 {
            graph.nodes[0].name.clear();
        }
        Ok(graph)
    }

    /// All nodes; a stage's node has the stage's number.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node to build.
    #[must_use]
    pub const fn target(&self) -> usize {
        self.target
    }

    /// The nodes that a node needs at once: its base and what it copies or mounts from.
    #[must_use]
    pub fn dependencies(&self, node: usize) -> Vec<usize> {
        let node = &self.nodes[node];
        let mut list: Vec<usize> = node.needs.iter().map(|(need, _)| *need).collect();
        if let Base::Node(base) = node.base {
            list.push(base);
        }
        list.sort_unstable();
        list.dedup();
        list
    }

    /// The target and all it needs, each behind what it needs itself.
    ///
    /// Two nodes of which neither reaches the other may be built at the same time.
    #[must_use]
    pub fn needed(&self) -> Vec<usize> {
        let mut order = Vec::new();
        self.visit(self.target, &mut order);
        order
    }

    fn visit(&self, node: usize, order: &mut Vec<usize>) {
        if order.contains(&node) {
            return;
        }
        for need in self.dependencies(node) {
            self.visit(need, order);
        }
        if !order.contains(&node) {
            order.push(node);
        }
    }

    pub(crate) const fn lexer(&self) -> Lexer {
        Lexer::new(self.file.directives.escape)
    }

    fn stage(
        &self,
        number: usize,
        from: &FromLine,
        warnings: &mut Vec<Warning>,
    ) -> Result<Node, Error> {
        let lines = from.text.lines;
        let expanded = expand(self.lexer(), &from.base, &self.globals, lines)?;
        self.undeclared(&expanded, lines, warnings);
        let platform = match &from.platform {
            Some(text) => Some(self.platform(text, from, warnings)?),
            None => None,
        };
        if expanded.text.is_empty() {
            return Err(Error::new(Meaning::BlankBase(from.base.clone()), lines));
        }
        let base = match self.find_name(&expanded.text) {
            Some(node) => Base::Node(node),
            None if expanded.text == "scratch" => Base::Scratch,
            None => Base::Image(image_name(expanded.text, lines)?),
        };
        Ok(Node {
            stage: Some(number),
            name: from
                .name
                .clone()
                .unwrap_or_else(|| format!("stage-{number}")),
            base,
            platform,
            lines,
            needs: Vec::new(),
        })
    }

    fn undeclared(&self, expanded: &Expanded, lines: Lines, warnings: &mut Vec<Warning>) {
        for name in &expanded.unmatched {
            let names = self.globals.names.iter().map(String::as_str);
            let hint = suggest::hint(name, names, true);
            let message = format!("FROM argument '{name}' is not declared{hint}");
            warnings.push(Warning::new(Rule::UndefinedArgInFrom, message, lines));
        }
    }

    fn platform(
        &self,
        text: &str,
        from: &FromLine,
        warnings: &mut Vec<Warning>,
    ) -> Result<Platform, Error> {
        let lines = from.text.lines;
        if matches!(text, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            let message = format!(
                "Setting platform to predefined {text} in FROM is redundant as this is the default behavior"
            );
            warnings.push(Warning::new(Rule::RedundantTargetPlatform, message, lines));
        }
        let expanded = expand(self.lexer(), text, &self.globals, lines)?;
        self.undeclared(&expanded, lines, warnings);
        if expanded.text.is_empty() {
            let names = self.globals.names.iter().map(String::as_str);
            let unknown = expanded.unmatched.first().map_or("", String::as_str);
            let fault = Meaning::EmptyPlatform {
                expression: text.to_owned(),
                hint: suggest::hint(unknown, names, true),
            };
            return Err(Error::new(fault, lines));
        }
        let platform = Platform::parse(&expanded.text, &self.options.build_platform)
            .map_err(|reason| Error::new(Meaning::Platform(format!("{text}: {reason}")), lines))?;
        let name = from.name.as_deref().unwrap_or_default();
        let is_named_so = name.contains(&platform.os) || name.contains(&platform.architecture);
        if !text.contains('$') && !is_named_so {
            let message = format!(
                "FROM --platform flag should not use constant value {}",
                quote(text)
            );
            warnings.push(Warning::new(
                Rule::FromPlatformFlagConstDisallowed,
                message,
                lines,
            ));
        }
        Ok(platform)
    }

    /// The latest stage with a name.
    pub(crate) fn find_name(&self, name: &str) -> Option<usize> {
        let is_named = |node: &Node| {
            let from = node.stage.map(|stage| &self.file.stages[stage].from);
            from.and_then(|from| from.name.as_deref())
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        self.nodes.iter().rposition(is_named)
    }

    fn find_target(&self) -> Result<usize, Error> {
        let last = self.nodes.len().checked_sub(1);
        let Some(last) = last else {
            return Err(Error::nowhere(Meaning::NoStages));
        };
        let Some(wanted) = self.options.target.as_ref().filter(|name| !name.is_empty()) else {
            return Ok(last);
        };
        if let Some(node) = self.find_name(wanted) {
            return Ok(node);
        }
        let number = wanted.parse().ok().filter(|number| *number <= last);
        number.ok_or_else(|| {
            let names = self.nodes.iter().map(|node| node.name.as_str());
            Error::nowhere(Meaning::NoTarget {
                hint: suggest::hint(wanted, names, true),
                name: wanted.clone(),
            })
        })
    }
}

fn image_name(name: String, lines: Lines) -> Result<String, Error> {
    match name.parse::<ImageRef>() {
        Ok(_) => Ok(name),
        Err(reason) => {
            let reason = reason.to_string();
            Err(Error::new(Meaning::BaseName { name, reason }, lines))
        }
    }
}
