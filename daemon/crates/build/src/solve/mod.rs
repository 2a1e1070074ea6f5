//! The solver: from a request to an image.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use gantry_ids::ImageId;
use gantry_image::{ImageConfig, ImageStore};

use crate::fault::{BuildError, Fault};
use crate::port::{Cache, Client, Runner};
use crate::{Cancel, Progress, Request};

/// What builds of an engine share. One per engine; any number of builds go on at once.
#[derive(Debug)]
pub struct Solver {
    /// Images and layers.
    pub images: Arc<ImageStore>,
    /// Results of earlier steps.
    pub cache: Arc<dyn Cache>,
    /// Runs programs.
    pub runner: Arc<dyn Runner>,
    /// A directory of the solver's own, on the layers' file system: what steps write until it is a
    /// layer, and cache mounts.
    pub root: PathBuf,
    /// A directory of the solver's own that need not outlive the machine's run (tmpfs): secrets.
    pub run: PathBuf,
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

impl Solver {
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
        let _ = (request, client, progress, cancel);
        Err(BuildError::new(Fault::NotBuilt("docker build")))
    }
}
