//! A step's layer: taken from the cache, or written and kept. `COPY` and `ADD` among what writes.

use std::sync::Arc;

use gantry_dockerfile::{Origin, Patterns, StagePlan, TransferStep};
use gantry_ids::{ContainerId, Digest};
use gantry_layer::{LayerStore, Rootfs};
use jiff::Timestamp;

use super::base::Pinned;
use super::files::Reader;
use super::key;
use super::scratch::Scratch;
use super::stage::{Build, Running, open};
use super::tell::Work;
use crate::fault::Fault;
use crate::port::Record;
use crate::progress::{Ending, What};
use crate::{Extent, Reuse, Tree};

/// A step's layer that is wanted.
pub(super) struct Sought<'a> {
    pub(super) key: Digest,
    /// What the step is called.
    pub(super) code: &'a str,
    /// How large it can become, if that is known.
    pub(super) extent: Option<Extent>,
}

impl<'a> Sought<'a> {
    /// A layer of unknown size.
    pub(super) const fn of(key: Digest, code: &'a str) -> Self {
        Self {
            key,
            code,
            extent: None,
        }
    }
}

/// The digest of what a step copies, and how large it is.
fn read(step: &TransferStep, from: Option<&Tree>, owners: bool) -> Result<(Digest, Extent), Fault> {
    let mut extent = Extent::new();
    let files = match from {
        Some(tree) => {
            let exclude = step.exclude.iter().map(String::as_str);
            let reader = Reader::new(tree, Patterns::new(exclude)?, owners);
            let files = if step.parents {
                reader.with_parents(&step.sources)?
            } else {
                reader.sources(&step.sources)?
            };
            extent = reader.extent();
            files
        }
        None => Digest::of(b""),
    };
    for (_, text) in &step.documents {
        extent.add(text.len() as u64);
    }
    Ok((files, extent))
}

/// Copies a step's files into its root.
fn write(step: &TransferStep, from: Option<&Tree>, rootfs: &Rootfs) -> Result<(), Fault> {
    let to = if step.link {
        Tree::open(&rootfs.upper).map_err(Fault::io("open a layer"))?
    } else {
        open(rootfs)?
    };
    let empty;
    let from = match from {
        Some(from) => from,
        None => {
            empty = Tree::open(&rootfs.work).map_err(Fault::io("open a layer"))?;
            &empty
        }
    };
    Ok(crate::copy(step, from, &to)?)
}

impl Build<'_> {
    pub(super) fn transfer(
        &self,
        running: &mut Running<'_>,
        (step, code): (&TransferStep, &str),
        work: &Work<'_>,
    ) -> Result<Ending, Fault> {
        crate::add::refuse(step)?;
        if step.is_add
            && step
                .sources
                .iter()
                .any(|source| crate::add::is_remote(source))
        {
            return self.add(running, (step, code), work);
        }
        let (from, owners) = match step.origin {
            // Here-documents alone need no context.
            Origin::Context if step.sources.is_empty() => (None, false),
            Origin::Context => (Some(self.context()?), false),
            Origin::Node(node) => (Some(self.tree_of(running, node)?), true),
        };
        let (files, extent) = read(step, from.as_deref(), owners)?;
        let mut layer = Sought {
            key: key::transfer(&running.end.key, step, &files),
            code,
            // What archives hold nobody knows before.
            extent: Some(extent).filter(|_| !step.is_add),
        };
        let fill = |rootfs: &Rootfs, _: &mut Scratch| write(step, from.as_deref(), rootfs);
        match self.layer(running, &layer, fill) {
            // Attributes, or what a copy on the way took: more than was counted.
            Err(Fault::Copy(error)) if layer.extent.is_some() && error.is_full() => {
                layer.extent = None;
                self.layer(running, &layer, fill)
            }
            done => done,
        }
    }

    /// Takes a step's layer from the cache, or lets `fill` write it.
    pub(super) fn layer(
        &self,
        running: &mut Running<'_>,
        sought: &Sought<'_>,
        fill: impl FnOnce(&Rootfs, &mut Scratch) -> Result<(), Fault>,
    ) -> Result<Ending, Fault> {
        let Sought { key, code, extent } = *sought;
        let solver = self.solver;
        let flight = solver.flights.take(key, self.stop);
        let _flight = flight.ok_or(Fault::Cancelled)?;
        let images = &solver.parts.images;
        if self.may_reuse(running.plan)
            && let Some((record, pin)) = solver
                .cached(&key)
                .or_else(|| self.imported(&key, (code, &running.end.key)))
        {
            let made = Timestamp::from_nanosecond(i128::from(record.created_ns));
            let pin = Pinned::new(Arc::clone(images), Some(pin));
            running.advance(key, (record.chain, made.unwrap_or_default()), pin, self);
            running.tell(What::Cached);
            return Ok(Ending::Cached);
        }
        let id = ContainerId::generate().to_string();
        let dirs = (solver.parts.root.as_path(), solver.parts.run.as_path());
        let scratch = Scratch::new(images, dirs, &id);
        let mut scratch = scratch.map_err(Fault::io("make the directory of a step"))?;
        let place = scratch.layer(&solver.memory, extent);
        let rootfs = images.layers().rootfs(running.end.chain.as_ref(), &place)?;
        fill(&rootfs, &mut scratch)?;
        if self.stop.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        let made = images.commit_layer(&rootfs.upper, running.end.chain.as_ref(), self.epoch_s());
        let (layer, pin) = made?;
        let now = Timestamp::now();
        let now_ns = i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX);
        let parent = Some(running.end.key);
        let pin = Pinned::new(Arc::clone(images), Some(pin));
        running.advance(key, (Some(layer.chain), now), pin, self);
        let record = Record {
            v: 1,
            chain: Some(layer.chain),
            has_layer: true,
            size_bytes: layer.content_bytes,
            description: code.to_owned(),
            parent,
            created_ns: now_ns,
            used_ns: now_ns,
            uses: 1,
        };
        solver.remember(&key, record);
        Ok(Ending::Done)
    }

    fn may_reuse(&self, plan: &StagePlan) -> bool {
        match &self.request.reuse {
            Reuse::All => true,
            Reuse::Nothing => false,
            Reuse::AllBut(stages) => !stages
                .iter()
                .any(|stage| stage.eq_ignore_ascii_case(&plan.name)),
        }
    }
}
