//! What instructions copy or mount from, and circles in that.

use super::{Base, Graph, Node, image_name};
use crate::ast::{Dockerfile, Instruction, Kind};
use crate::error::{Error, Meaning};
use crate::source::{Lines, Source};

impl Graph<'_> {
    /// The nodes an instruction copies or mounts from; images get nodes of their own.
    pub(super) fn needs(&mut self, instruction: &Instruction) -> Result<Vec<usize>, Error> {
        let lines = instruction.text.lines;
        match &instruction.kind {
            Kind::Copy(copy) => {
                let from = copy.from.as_deref().filter(|from| !from.is_empty());
                let Some(from) = from else {
                    return Ok(Vec::new());
                };
                Ok(vec![self.copied(from, lines)?])
            }
            Kind::Run(run) => {
                let named = run.mounts.iter().filter_map(|mount| mount.from.as_deref());
                named.map(|from| self.source(from, lines)).collect()
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The nodes that the triggers of a stage's base copy or mount from, the base being a stage of
    /// the same file.
    pub(super) fn triggered(&mut self, stage: usize) -> Vec<usize> {
        let Base::Node(base) = self.nodes[stage].base else {
            return Vec::new();
        };
        let left = self.file.stages[base].instructions.iter();
        let triggers: Vec<String> = left
            .filter_map(|instruction| match &instruction.kind {
                Kind::Onbuild(onbuild) => Some(onbuild.trigger.clone()),
                _ => None,
            })
            .collect();
        self.needed_by(&triggers)
    }

    /// Adds what the triggers of a node's base image copy or mount from to what the node needs.
    ///
    /// # Errors
    /// The node would need itself.
    pub fn trigger(&mut self, node: usize, triggers: &[String]) -> Result<(), Error> {
        if self.nodes[node].stage.is_none() {
            return Ok(());
        }
        let lines = self.nodes[node].lines;
        for need in self.needed_by(triggers) {
            self.nodes[node].needs.push((need, lines));
        }
        self.refuse_circles()
    }

    /// What triggers copy or mount from. One that cannot be read is a fault when it is evaluated.
    fn needed_by(&mut self, triggers: &[String]) -> Vec<usize> {
        let mut needs = Vec::new();
        for trigger in triggers {
            let source = Source::new("ONBUILD", format!("FROM scratch\n{trigger}").as_bytes());
            let read = Dockerfile::parse(&source);
            for stage in read.iter().flat_map(|file| &file.stages) {
                for instruction in &stage.instructions {
                    needs.extend(self.needs(instruction).unwrap_or_default());
                }
            }
        }
        needs
    }

    /// What `COPY --from` means: a stage by number or name, or an image.
    fn copied(&mut self, from: &str, lines: Lines) -> Result<usize, Error> {
        if let Ok(number) = from.parse::<i64>() {
            let node = usize::try_from(number).ok();
            let node = node.filter(|node| *node < self.file.stages.len());
            return node.ok_or_else(|| Error::new(Meaning::StageIndex(number), lines));
        }
        if from.find('$').is_some_and(|at| at + 1 < from.len()) {
            return Err(Error::new(Meaning::FromVariable, lines));
        }
        self.source(from, lines)
    }

    fn source(&mut self, from: &str, lines: Lines) -> Result<usize, Error> {
        if let Some(node) = self.find_name(from) {
            return Ok(node);
        }
        let base = if from == "scratch" {
            Base::Scratch
        } else {
            Base::Image(image_name(from.to_owned(), lines)?)
        };
        let known = |node: &Node| node.stage.is_none() && node.base == base;
        if let Some(node) = self.nodes.iter().position(known) {
            return Ok(node);
        }
        self.nodes.push(Node {
            stage: None,
            name: from.to_owned(),
            base,
            platform: None,
            lines,
            needs: Vec::new(),
        });
        Ok(self.nodes.len() - 1)
    }

    /// The node that a `--from` names, found again.
    pub(crate) fn resolve(&self, from: &str, by_number: bool) -> Option<usize> {
        let number = from.parse().ok().filter(|_| by_number);
        if let Some(node) = number.filter(|node| *node < self.file.stages.len()) {
            return Some(node);
        }
        let image = |node: &Node| node.stage.is_none() && node.name == from;
        self.find_name(from)
            .or_else(|| self.nodes.iter().position(image))
    }

    pub(super) fn refuse_circles(&self) -> Result<(), Error> {
        let mut visited = vec![false; self.nodes.len()];
        for start in 0..self.nodes.len() {
            let mut path = Vec::new();
            if let Some(lines) = self.circle(start, &mut visited, &mut path) {
                let name = self.shown(start);
                return Err(Error {
                    kind: Box::new(Meaning::Circle(name).into()),
                    lines,
                    span: None,
                });
            }
        }
        Ok(())
    }

    /// What a node is called, also where it is the only stage.
    fn shown(&self, node: usize) -> String {
        let name = &self.nodes[node].name;
        let Some(stage) = self.nodes[node].stage.filter(|_| name.is_empty()) else {
            return name.clone();
        };
        let named = self.file.stages[stage].from.name.clone();
        named.unwrap_or_else(|| format!("stage-{stage}"))
    }

    /// The instructions that close a circle from a node on.
    fn circle(
        &self,
        node: usize,
        visited: &mut [bool],
        path: &mut Vec<usize>,
    ) -> Option<Vec<Lines>> {
        if std::mem::replace(&mut visited[node], true) {
            return None;
        }
        path.push(node);
        for (need, lines) in &self.nodes[node].needs {
            let rest = if path.contains(need) {
                Some(Vec::new())
            } else {
                self.circle(*need, visited, path)
            };
            if let Some(mut rest) = rest {
                rest.insert(0, *lines);
                return Some(rest);
            }
        }
        path.pop();
        None
    }
}
