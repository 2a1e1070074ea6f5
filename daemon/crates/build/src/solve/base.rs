//! Base images: found here or pulled, and held until the build ends.

use std::sync::Arc;

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::{Digest, ImageRef, Platform};
use gantry_image::{ChainId, Image, ImageConfig, ImageStore, Pin};
use jiff::Timestamp;

use super::Solver;
use super::remote::RemoteWanted;
use super::tell::Work;
use crate::fault::Fault;
use crate::port::{Client, Context};
use crate::progress::Ending;
use crate::{Cancel, NamedContext, Progress, Pull, Request};

/// A chain that is kept while somebody needs it.
#[derive(Debug)]
pub(super) struct Pinned {
    images: Arc<ImageStore>,
    pin: Option<Pin>,
}

impl Pinned {
    pub(super) const fn new(images: Arc<ImageStore>, pin: Option<Pin>) -> Self {
        Self { images, pin }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(pin) = self.pin.take() {
            self.images.unpin(pin);
        }
    }
}

/// What a node starts from that is no stage.
#[derive(Debug)]
pub(super) enum Base {
    /// An image.
    Image {
        /// Its name as BuildKit shows it.
        name: String,
        config: Arc<ImageConfig>,
        _pinned: Pinned,
    },
    /// Files of the client, by a name.
    Files(Arc<dyn Context>),
}

impl Base {
    pub(super) fn chain(&self) -> Option<ChainId> {
        match self {
            Self::Image { config, .. } => config.chain(),
            Self::Files(_) => None,
        }
    }
}

/// What finds base images.
pub(super) struct Finder<'a> {
    pub(super) solver: &'a Solver,
    pub(super) request: &'a Request,
    pub(super) client: &'a Client,
    pub(super) progress: &'a dyn Progress,
    pub(super) cancel: &'a Cancel,
}

impl Finder<'_> {
    /// What a name stands for that is no stage.
    pub(super) fn find(&self, name: &str, platform: &Platform) -> Result<Base, Fault> {
        match self.request.contexts.get(name) {
            Some(NamedContext::Files(context)) => Ok(Base::Files(Arc::clone(context))),
            Some(NamedContext::Image(image)) => self.image(image, platform),
            Some(NamedContext::Address(address)) => {
                let keys = self.client.keys.as_ref();
                let wanted = RemoteWanted::named(name, address, keys);
                let remote = self.solver.fetch(&wanted, self.progress, self.cancel);
                remote
                    .map(|remote| Base::Files(remote as Arc<dyn Context>))
                    .map_err(|error| *error.fault)
            }
            None => self.image(name, platform),
        }
    }

    fn image(&self, name: &str, platform: &Platform) -> Result<Base, Fault> {
        let shown = full_name(name);
        let work = Work::new(
            self.progress,
            &format!("[internal] load metadata for {shown}"),
        );
        let found = self.here_or_pulled(name, platform, &work);
        let found = found.and_then(|image| self.hold(shown, &image));
        match &found {
            Ok(_) => work.end(Ending::Done),
            Err(fault) => work.end(Ending::Failed(fault.to_string())),
        }
        found
    }

    pub(super) fn here_or_pulled(
        &self,
        name: &str,
        platform: &Platform,
        work: &Work<'_>,
    ) -> Result<Arc<Image>, Fault> {
        let images = &self.solver.parts.images;
        let here = match images.find(name) {
            Ok(image) => Some(image),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let fits = |image: &Arc<Image>| {
            let file = image.config.file();
            file.os.is_empty()
                || (&file.os, &file.architecture) == (&platform.os, &platform.architecture)
        };
        let reference: Result<ImageRef, _> = name.parse();
        match (here, reference) {
            (Some(image), Err(_)) => Ok(image),
            // By its identity: no registry has it under that.
            (Some(image), Ok(_)) if name.parse::<Digest>().is_ok() => Ok(image),
            (Some(image), Ok(_)) if self.request.pull == Pull::Missing && fits(&image) => Ok(image),
            (None, Err(source)) => Err(Fault::Reference {
                name: name.to_owned(),
                source,
            }),
            (_, Ok(reference)) => {
                let since = Timestamp::now();
                let tell = |id: &str, current, total| work.status(id, (current, total), since);
                let reference = reference.with_default_tag();
                let registry = &self.client.registry;
                let id = registry.pull(&reference, platform, &tell, self.cancel)?;
                let missing = || gantry_image::ImageError::NoSuchImage(id.to_string());
                Ok(images.get(&id).ok_or_else(missing)?)
            }
        }
    }

    fn hold(&self, name: String, image: &Image) -> Result<Base, Fault> {
        let images = &self.solver.parts.images;
        let chain = image.config.chain();
        let pin = chain.as_ref().map(|chain| images.pin(chain));
        if matches!(pin, Some(None)) {
            // Removed between being found and being held.
            return Err(gantry_image::ImageError::NoSuchImage(name).into());
        }
        Ok(Base::Image {
            name,
            config: Arc::new(image.config.clone()),
            _pinned: Pinned::new(Arc::clone(images), pin.flatten()),
        })
    }
}

/// A name with its domain and tag, as BuildKit shows it.
fn full_name(name: &str) -> String {
    match name.parse::<ImageRef>() {
        Ok(reference) => reference.with_default_tag().to_string(),
        Err(_) => name.to_owned(),
    }
}
