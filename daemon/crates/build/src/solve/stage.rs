//! One node: its base, then its steps, each cached or done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gantry_dockerfile::{Action, Base as FromBase, StagePlan, Step};
use gantry_ids::{Digest, ImageId, ImageRef};
use gantry_image::{ChainId, DiffId, ImageConfig};
use gantry_layer::{LayerStore, Rootfs};
use jiff::Timestamp;

use super::base::{Base, Pinned};
use super::layer::Sought;
use super::plan::Prepared;
use super::tell::{self, Counter, Work};
use super::{Solver, config, key};
use crate::fault::{BuildError, Fault};
use crate::port::Client;
use crate::progress::{Ending, Progress, What};
use crate::{Cancel, Request, Tree};

/// A build under way.
pub(super) struct Build<'a> {
    pub(super) solver: &'a Solver,
    pub(super) request: &'a Request,
    pub(super) client: &'a Client,
    pub(super) prepared: &'a Prepared,
    pub(super) progress: &'a dyn Progress,
    /// Cancelled by the client's end, and by the first fault.
    pub(super) stop: &'a Cancel,
    /// 64 hexadecimal digits.
    pub(super) id: String,
    /// Trees of the client, opened when the first step needs them: the context, then named ones.
    pub(super) trees: Mutex<BTreeMap<Option<usize>, Arc<Tree>>>,
    /// The number of each node's first instruction, and of all.
    numbers: (BTreeMap<usize, usize>, usize),
}

/// What a node ended with.
#[derive(Debug)]
pub(super) struct StageEnd {
    pub(super) chain: Option<ChainId>,
    pub(super) key: Digest,
    /// The node whose base image it lies on.
    base: Option<usize>,
    /// The layers that were added, with the time each was made.
    layers: Vec<(DiffId, Timestamp)>,
    /// Their steps' keys, with the same times.
    pub(super) keys: Vec<(Digest, Timestamp)>,
    /// Keeps those layers until the build ends.
    pins: Vec<Arc<Pinned>>,
}

/// A node's steps under way.
pub(super) struct Running<'a> {
    pub(super) node: usize,
    pub(super) plan: &'a StagePlan,
    pub(super) end: StageEnd,
    pub(super) needed: &'a BTreeMap<usize, Arc<StageEnd>>,
    pub(super) counter: Option<Counter<'a>>,
}

impl<'a> Build<'a> {
    pub(super) fn new(
        solver: &'a Solver,
        request: &'a Request,
        client: &'a Client,
        prepared: &'a Prepared,
        (progress, stop): (&'a dyn Progress, &'a Cancel),
    ) -> Self {
        let mut first = BTreeMap::new();
        let mut next = 1;
        for (node, stage) in &prepared.stages {
            if stage.is_some() {
                first.insert(*node, next);
                next += 1 + prepared.plan.stages[node].steps.len();
            }
        }
        let build = Self {
            solver,
            request,
            client,
            prepared,
            progress,
            stop,
            id: gantry_ids::ContainerId::generate().to_string(),
            trees: Mutex::default(),
            numbers: (first, next - 1),
        };
        build.announce();
        build
    }

    /// Tells all vertices of all nodes.
    fn announce(&self) {
        for (node, plan) in &self.prepared.plan.stages {
            let mut before = None;
            for (number, name) in self.names(*node, plan) {
                let digest = self.vertex(*node, number);
                tell::announce(self.progress, digest, &name, before.into_iter().collect());
                before = Some(digest);
            }
        }
    }

    pub(super) fn vertex(&self, node: usize, step: usize) -> Digest {
        tell::vertex(&format!("{} {node}", self.id), step as u64)
    }

    /// The vertices of a node by step, 0 being its start, with BuildKit's names.
    fn names(&self, node: usize, plan: &StagePlan) -> Vec<(usize, String)> {
        if self.prepared.stages[&node].is_none() {
            return match self.prepared.bases.get(&node) {
                Some(Base::Image { name, .. }) => vec![(0, format!("FROM {name}"))],
                _ => vec![(0, format!("[context {}] load from client", plan.name))],
            };
        }
        let steps = plan.steps.iter().enumerate();
        let work = steps.filter(|(_, step)| step.action != Action::Settings);
        let mut list: Vec<(usize, String)> = Vec::new();
        match self.prepared.bases.get(&node) {
            Some(Base::Image { name, .. }) => list.push((0, format!("FROM {name}"))),
            Some(Base::Files(_)) => {
                let name = format!("[context {}] load from client", self.source_of(node));
                list.push((0, name));
            }
            None => {}
        }
        list.extend(work.map(|(number, step)| (number + 1, step.code.clone())));
        let total = list.len();
        let stage = match plan.name.as_str() {
            "" => String::new(),
            name => format!("{name} "),
        };
        for (index, (_, name)) in list.iter_mut().enumerate() {
            *name = format!("[{stage}{}/{total}] {name}", index + 1);
        }
        list
    }

    /// Builds a node.
    pub(super) fn stage(
        &self,
        node: usize,
        needed: &BTreeMap<usize, Arc<StageEnd>>,
    ) -> Result<StageEnd, BuildError> {
        let plan = &self.prepared.plan.stages[&node];
        let counter = self.prepared.stages[&node].map(|stage| Counter {
            progress: self.progress,
            stage,
            next: self.numbers.0[&node],
            total: self.numbers.1,
        });
        let mut running = Running {
            node,
            plan,
            end: self.start(node, plan, needed),
            needed,
            counter,
        };
        if matches!(self.prepared.bases.get(&node), Some(Base::Files(_)))
            && self.prepared.stages[&node].is_some()
        {
            let made = self.folder(&mut running);
            made.map_err(|fault| BuildError::at(fault, plan.lines))?;
        }
        self.from(&mut running);
        for (number, step) in plan.steps.iter().enumerate() {
            if self.stop.is_cancelled() {
                return Err(BuildError::new(Fault::Cancelled));
            }
            let vertex = self.vertex(node, number + 1);
            let done = self.step(&mut running, step, vertex);
            done.map_err(|fault| BuildError {
                vertex: Some(vertex),
                ..BuildError::at(fault, step.lines)
            })?;
        }
        Ok(running.end)
    }

    fn start(
        &self,
        node: usize,
        plan: &StagePlan,
        needed: &BTreeMap<usize, Arc<StageEnd>>,
    ) -> StageEnd {
        if let FromBase::Node(base) = plan.base {
            let end = &needed[&base];
            return StageEnd {
                chain: end.chain,
                key: end.key,
                base: end.base,
                layers: end.layers.clone(),
                keys: end.keys.clone(),
                pins: end.pins.clone(),
            };
        }
        let base = self.prepared.bases.get(&node);
        let chain = base.and_then(Base::chain);
        StageEnd {
            chain,
            key: key::start(chain.as_ref(), self.epoch_s()),
            base: base.map(|_| node),
            layers: Vec::new(),
            keys: Vec::new(),
            pins: Vec::new(),
        }
    }

    /// Tells the `FROM`.
    fn from(&self, running: &mut Running<'_>) {
        if matches!(
            self.prepared.bases.get(&running.node),
            Some(Base::Image { .. })
        ) {
            let work = Work::begin(self.progress, self.vertex(running.node, 0));
            work.end(Ending::Cached);
        }
        let key = running.end.key;
        if let Some(counter) = &mut running.counter {
            let from = match (&running.plan.base, self.prepared.bases.get(&running.node)) {
                (FromBase::Scratch, _) => "scratch".to_owned(),
                (FromBase::Image(name), _) => name.clone(),
                (FromBase::Node(base), _) => self.prepared.plan.stages[base].name.clone(),
            };
            let named = match running.plan.name.as_str() {
                // What messages call a stage that has no name.
                name if name.is_empty() || name == format!("stage-{}", counter.stage) => {
                    String::new()
                }
                name => format!(" AS {name}"),
            };
            counter.began(&format!("FROM {from}{named}"));
            counter.ended(key);
        }
    }

    fn step(&self, running: &mut Running<'_>, step: &Step, vertex: Digest) -> Result<(), Fault> {
        if let Some(counter) = &running.counter {
            counter.began(&step.code);
        }
        if step.action != Action::Settings {
            let work = Work::begin(self.progress, vertex);
            match self.work(running, step, &work) {
                Ok(ending) => work.end(ending),
                Err(fault) => {
                    let is_cancelled = matches!(fault, Fault::Cancelled)
                        || matches!(fault, Fault::Run(crate::RunError::Cancelled));
                    work.end(if is_cancelled {
                        Ending::Cancelled
                    } else {
                        Ending::Failed(gantry_errors::chain(&fault).to_string())
                    });
                    return Err(fault);
                }
            }
        }
        let mut hasher = key::Hasher::new("shown");
        hasher.part(running.end.key.as_bytes());
        hasher.part(format!("{:?}", step.settings));
        if let Some(counter) = &mut running.counter {
            counter.ended(hasher.finish());
        }
        Ok(())
    }

    fn work(
        &self,
        running: &mut Running<'_>,
        step: &Step,
        work: &Work<'_>,
    ) -> Result<Ending, Fault> {
        match &step.action {
            Action::Settings => Ok(Ending::Done),
            Action::Directory { path, user } => {
                let key = key::directory(&running.end.key, path, user);
                self.layer(running, &Sought::of(key, &step.code), |rootfs, _| {
                    let tree = open(rootfs)?;
                    Ok(crate::make_directory(path, user, &tree)?)
                })
            }
            Action::Transfer(transfer) => self.transfer(running, (transfer, &step.code), work),
            Action::Run(run) => self.run(running, (run, &step.code), work),
        }
    }

    pub(super) fn epoch_s(&self) -> u64 {
        let epoch = self.prepared.epoch.map(Timestamp::as_second);
        epoch.map_or(u64::MAX, |epoch| u64::try_from(epoch).unwrap_or(0))
    }

    /// The configuration of what a node ended with.
    pub(super) fn config(&self, end: &StageEnd) -> ImageConfig {
        let base = end.base.and_then(|node| self.prepared.bases.get(&node));
        let (base, folder) = match base {
            Some(Base::Image { config, .. }) => (Some(config), None),
            Some(Base::Files(_)) => (None, end.base.map(|node| self.folder_name(node))),
            None => (None, None),
        };
        let plan = &self.prepared.plan.stages[&self.prepared.plan.target];
        config::write(&config::Built {
            base,
            folder,
            settings: &plan.settings,
            layers: &end.layers,
            platform: plan
                .platform
                .as_ref()
                .unwrap_or(&self.request.language.target_platform),
            epoch: self.prepared.epoch,
        })
    }

    /// Keeps the image with its names.
    pub(super) fn keep(
        &self,
        config: &ImageConfig,
        names: &[ImageRef],
        work: &Work<'_>,
    ) -> Result<ImageId, Fault> {
        let since = Timestamp::now();
        let id = self.solver.parts.images.keep_built(config, names)?;
        work.complete("exporting layers", 0, since);
        work.complete(&format!("writing image {id}"), 0, since);
        for name in names {
            work.complete(
                &format!("naming to {}", name.clone().with_default_tag()),
                0,
                since,
            );
        }
        Ok(id)
    }
}

impl Running<'_> {
    pub(super) fn tell(&self, what: What) {
        if let Some(counter) = &self.counter {
            counter.tell(what);
        }
    }

    pub(super) const fn key(&self) -> &Digest {
        &self.end.key
    }

    pub(super) fn advance(
        &mut self,
        key: Digest,
        (chain, made): (Option<ChainId>, Timestamp),
        pin: Pinned,
        build: &Build<'_>,
    ) {
        let layers = build.solver.parts.images.layers();
        let layer = chain.as_ref().and_then(|chain| layers.get(chain));
        if let Some(layer) = layer {
            self.end.layers.push((layer.diff_id, made));
            self.end.keys.push((key, made));
        }
        self.end.chain = chain;
        self.end.key = key;
        self.end.pins.push(Arc::new(pin));
    }
}

/// The root of a step, mounted nowhere.
pub(super) fn open(rootfs: &Rootfs) -> Result<Tree, Fault> {
    let root = rootfs
        .open()
        .map_err(Fault::io("mount the root of a step"))?;
    Ok(Tree::new(root))
}
