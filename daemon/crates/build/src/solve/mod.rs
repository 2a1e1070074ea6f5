//! The solver: from a request to an image.
//!
//! ```text
//! text ── parse ── graph ── base images ── plan ── stages, several at once ── configuration ── image
//!                                                    └ step: key ── cached? ── root ── layer
//! ```
//!
//! A step's result is a layer on the chain before it. Whatever a step needs of the disk while it goes
//! on lies in one directory of its own, which goes when the step ends, however it ends; what a killed
//! engine left is swept away when the solver is made.

mod arguments;
mod base;
mod config;
mod fetched;
mod fetcher;
mod files;
mod flight;
mod folder;
mod inline;
mod key;
mod layer;
mod mounts;
mod plan;
mod remote;
mod run;
mod schedule;
mod scratch;
mod stage;
mod store;
mod stubs;
mod tell;
mod trees;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gantry_ids::ImageId;
use gantry_image::{ImageConfig, ImageStore};
use gantry_layer::LayerStore;

use crate::fault::BuildError;
use crate::memory::Memory;
use crate::port::{Cache, Client, Runner, Web};
use crate::progress::Ending;
use crate::{Cancel, Export, Progress, Request};
use fetched::Known;
use flight::Flights;
pub use remote::{Remote, RemoteWanted, is_address};
pub use scratch::unmount_beneath;
use stage::{Build, StageEnd};
use store::Leases;
pub use store::{Kept, PruneFilter, Pruned};
use tell::Work;

/// What a solver is made of.
#[derive(Debug)]
pub struct SolverParts {
    /// Images and layers.
    pub images: Arc<ImageStore>,
    /// Results of earlier steps.
    pub cache: Arc<dyn Cache>,
    /// Runs programs.
    pub runner: Arc<dyn Runner>,
    /// Fetches files.
    pub web: Arc<dyn Web>,
    /// The proxies that repositories are fetched through: variables with their values.
    pub proxies: Vec<(String, String)>,
    /// A directory of the solver's own, on the layers' file system: what steps write until it is a
    /// layer, and cache mounts.
    pub root: PathBuf,
    /// A directory of the solver's own that need not outlive the machine's run (tmpfs): secrets.
    pub run: PathBuf,
}

/// What builds of an engine share. One per engine; any number of builds go on at once.
#[derive(Debug)]
pub struct Solver {
    parts: SolverParts,
    flights: Flights,
    leases: Leases,
    addresses: Mutex<Known>,
    memory: Arc<Memory>,
}

/// What a build has made.
#[derive(Debug)]
pub struct Outcome {
    /// The image, if one was asked for.
    pub image: Option<ImageId>,
    /// The configuration of the target, whether it became an image or not.
    pub config: ImageConfig,
    /// The target's files, read-only, if they were asked for.
    pub files: Option<OwnedFd>,
}

/// Tells the runner of a build's end when it is dropped.
struct Ended<'a>(&'a Solver, &'a str);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.parts.runner.ended(self.1);
    }
}

impl Solver {
    /// Opens the solver: sweeps away what builds of a killed engine left, and keeps the layers of
    /// all cached results. To be called before the image store is swept.
    ///
    /// # Errors
    /// Its directories cannot be made.
    pub fn open(parts: SolverParts) -> std::io::Result<Self> {
        scratch::sweep(&parts.root, &parts.run)?;
        let leases = Leases::take(&parts.images, parts.cache.as_ref());
        Ok(Self {
            parts,
            flights: Flights::default(),
            leases,
            addresses: Mutex::default(),
            memory: Arc::default(),
        })
    }

    /// The memory that builds may use for small trees.
    #[must_use]
    pub const fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Builds. Blocks until the build has ended; the end of the client is a cancelled token.
    ///
    /// # Errors
    /// The first fault; everything else of the build has been stopped then.
    pub fn build(
        &self,
        request: &Request,
        client: &Client,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Outcome, BuildError> {
        // A fault of one stage stops the others, but not the client's token.
        let stop = Cancel::new();
        let linked = stop.clone();
        let _linked = cancel.on_cancel(move || linked.cancel());
        let prepared = plan::prepare(self, request, client, (progress, &stop))?;
        let build = Build::new(self, request, client, &prepared, (progress, &stop));
        let _ended = Ended(self, &build.id);
        let end = schedule::run(&build)?;
        self.export(&build, &end)
    }

    fn export(&self, build: &Build<'_>, end: &StageEnd) -> Result<Outcome, BuildError> {
        let mut config = build.config(end);
        if build.prepared.arguments.inline_cache {
            config = inline::embed(&config, &end.keys).map_err(BuildError::new)?;
        }
        let failed = |error| BuildError::new(gantry_image::ImageError::Layer(error));
        let mut outcome = Outcome {
            image: None,
            config,
            files: None,
        };
        for export in &build.request.exports {
            match export {
                Export::Image { names } => {
                    let work = Work::new(build.progress, "exporting to image");
                    let id = build.keep(&outcome.config, names, &work);
                    outcome.image = Some(id.map_err(BuildError::new)?);
                    work.end(Ending::Done);
                }
                Export::Files => {
                    let layers = self.parts.images.layers();
                    let view = layers.view(end.chain.as_ref());
                    outcome.files = Some(view.map_err(failed)?);
                }
            }
        }
        Ok(outcome)
    }
}
