//! The trees that steps read: the client's files, asked for once, and other nodes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use gantry_dockerfile::{Action, Origin};
use gantry_image::ChainId;
use gantry_layer::LayerStore;
use jiff::Timestamp;

use super::base::Base;
use super::stage::{Build, Running};
use super::tell::Work;
use crate::Tree;
use crate::fault::Fault;
use crate::pivot::Pivot;
use crate::port::{Context, Wanted};
use crate::progress::Ending;

impl Build<'_> {
    /// The build context, asked for once.
    pub(super) fn context(&self) -> Result<Arc<Tree>, Fault> {
        let context = self.client.context.as_ref().ok_or(Fault::NoContext)?;
        let wanted = Wanted {
            paths: Some(self.wanted(None)),
            exclude: self.prepared.ignored.clone(),
        };
        self.open(
            None,
            context.as_ref(),
            "[internal] load build context",
            &wanted,
        )
    }

    /// The files of another node.
    pub(super) fn tree_of(&self, running: &Running<'_>, node: usize) -> Result<Arc<Tree>, Fault> {
        let is_done = running.needed.contains_key(&node) && self.prepared.stages[&node].is_some();
        if let Some(Base::Files(context)) = self.prepared.bases.get(&node)
            && !is_done
        {
            let is_base = self.prepared.stages[&node].is_some();
            let wanted = Wanted {
                paths: (!is_base).then(|| self.wanted(Some(node))),
                exclude: Vec::new(),
            };
            let name = format!("[context {}] load from client", self.source_of(node));
            return self.open(Some(node), context.as_ref(), &name, &wanted);
        }
        let layers = self.solver.parts.images.layers();
        let view = layers.view(running.needed[&node].chain.as_ref())?;
        Ok(Arc::new(Tree::new(view)))
    }

    /// What a node starts from, by its name.
    pub(super) fn source_of(&self, node: usize) -> &str {
        let plan = &self.prepared.plan.stages[&node];
        match &plan.base {
            gantry_dockerfile::Base::Image(name) => name,
            _ => &plan.name,
        }
    }

    /// The layers of another node; none if it is no stage or image.
    pub(super) fn chain_of(&self, running: &Running<'_>, node: usize) -> Option<Option<ChainId>> {
        match self.prepared.bases.get(&node) {
            Some(Base::Files(_)) if self.prepared.stages[&node].is_none() => None,
            _ => Some(running.needed[&node].chain),
        }
    }

    fn open(
        &self,
        which: Option<usize>,
        context: &dyn Context,
        name: &str,
        wanted: &Wanted,
    ) -> Result<Arc<Tree>, Fault> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = trees.get(&which) {
            return Ok(Arc::clone(tree));
        }
        let work = match which {
            None => Work::new(self.progress, name),
            Some(node) => Work::begin(self.progress, self.vertex(node, 0)),
        };
        let since = Timestamp::now();
        let bytes = AtomicU64::new(0);
        let sent = |now: u64| {
            bytes.store(now, Ordering::Relaxed);
            work.status("transferring context:", (now, 0), since);
        };
        match context.open(wanted, &sent, self.stop) {
            Ok(tree) => {
                let sent = bytes.load(Ordering::Relaxed);
                work.complete("transferring context:", sent, since);
                work.end(Ending::Done);
                trees.insert(which, Arc::clone(&tree));
                Ok(tree)
            }
            Err(refusal) => {
                work.end(Ending::Failed(refusal.text.clone()));
                Err(refusal.into())
            }
        }
    }

    /// The sources of all steps that read from the context, or from a node.
    fn wanted(&self, node: Option<usize>) -> Vec<String> {
        let origin = node.map_or(Origin::Context, Origin::Node);
        let mut paths = Vec::new();
        let stages = self.prepared.plan.stages.values();
        for step in stages.flat_map(|stage| &stage.steps) {
            match &step.action {
                Action::Transfer(transfer) if transfer.origin == origin => {
                    let local = |source: &&String| !crate::add::is_remote(source);
                    let sources = transfer.sources.iter().filter(local);
                    paths.extend(sources.map(|source| {
                        // A malformed pattern is told when the step is done.
                        let pivot = transfer.parents.then(|| Pivot::parse(source).ok());
                        pivot
                            .flatten()
                            .map_or_else(|| source.clone(), |pivot| pivot.wanted())
                    }));
                }
                Action::Run(run) => {
                    let from = run
                        .mounts
                        .iter()
                        .filter(|mount| mount.origin == Some(origin));
                    paths.extend(from.map(|mount| {
                        let source = mount.mount.source.clone();
                        source.unwrap_or_else(|| "/".to_owned())
                    }));
                }
                _ => {}
            }
        }
        paths
    }
}
