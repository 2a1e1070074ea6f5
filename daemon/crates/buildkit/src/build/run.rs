//! One build from the client's words to its results: fetch the Dockerfile, solve, send.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use gantry_build::{
    BuildError, Cancel, Client, Context, Fault, HostNetwork, NamedContext, Outcome, Progress,
    Refusal, Registry, Remote, RemoteWanted, Request,
};
use gantry_dockerfile::{Patterns, Platform};
use tokio::runtime::Handle;
use tonic::Status;

use super::attributes::{self, Attributes};
use super::files::{SessionContext, SessionKeys};
use super::load::Loaded;
use super::places::Places;
use super::request::Exporter;
use super::{Journal, failure, questions};
use crate::service::{Usage, Wipe};
use crate::session::Session;

/// The engine, as builds need it. Everything here may block.
pub trait Host: Send + Sync + std::fmt::Debug + 'static {
    /// Builds.
    ///
    /// # Errors
    /// The first fault.
    fn build(
        &self,
        request: &Request,
        client: &Client,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Outcome, BuildError>;

    /// Fetches a context that lies at an address.
    ///
    /// # Errors
    /// It cannot be reached, or is none.
    fn fetch(
        &self,
        wanted: &RemoteWanted<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Arc<Remote>, BuildError>;

    /// Registries, with the credentials of a client.
    fn registry(&self, session: &Session, runtime: &Handle) -> Arc<dyn Registry>;

    /// Unpacks a tar, plain or compressed, beneath an empty directory.
    ///
    /// # Errors
    /// It is no tar, or not a sound one.
    fn unpack(&self, archive: &mut (dyn Read + Send), root: &Path) -> Result<(), Refusal>;

    /// Loads an archive with the layout of one image; answers its identity.
    ///
    /// # Errors
    /// It is no image, or something of it is not what its digest says.
    fn load(&self, archive: &mut (dyn Read + Send)) -> Result<String, Refusal>;

    /// Writes a directory as a tar.
    ///
    /// # Errors
    /// The disk or the writer refused.
    fn pack(&self, root: &OwnedFd, archive: &mut dyn Write) -> io::Result<()>;

    /// The address that programs reach the host by: `host-gateway` of `--add-host`.
    fn host_gateway(&self) -> Option<IpAddr>;

    /// What the engine runs on.
    fn platform(&self) -> Platform;

    /// The results of steps that are kept.
    ///
    /// # Errors
    /// They cannot be read.
    fn usage(&self) -> Result<Vec<Usage>, Status>;

    /// Takes results away; answers which.
    ///
    /// # Errors
    /// They cannot be taken away.
    fn wipe(&self, wipe: &Wipe) -> Result<Vec<Usage>, Status>;
}

/// A build that was asked for.
#[derive(Debug)]
pub struct Job {
    /// The engine.
    pub host: Arc<dyn Host>,
    /// The client.
    pub session: Session,
    /// Sessions that directories come from, by the directories' names; others come from the client's.
    pub lenders: BTreeMap<String, Session>,
    /// What was asked for.
    pub attributes: Attributes,
    /// What is made of it.
    pub exporters: Vec<Exporter>,
    /// Whether the image carries the keys of its steps.
    pub inline_cache: bool,
    /// Whether the client has allowed the host's network.
    pub host_network: HostNetwork,
    /// Where it is told.
    pub journal: Arc<Journal>,
    /// Its end before its time.
    pub cancel: Cancel,
    /// Where the client's files are received.
    pub places: Arc<Places>,
    /// What calls of the client run on.
    pub runtime: Handle,
}

/// What the client is told of a finished build.
pub type Finished = BTreeMap<String, String>;

impl Job {
    /// Builds, on a thread that may block.
    ///
    /// # Errors
    /// What the client shows.
    pub fn run(&self) -> Result<Finished, Status> {
        let loaded = self.load()?;
        let source = loaded.dockerfile.clone();
        let failed = |error: &BuildError| failure::status(error, Some(&source));
        let client = Client {
            context: Some(Arc::clone(&loaded.context)),
            keys: Arc::new(self.keys()),
            registry: self.host.registry(&self.session, &self.runtime),
            on_fail: None,
        };
        let request = self.request(loaded)?;
        let built = self
            .host
            .build(&request, &client, &*self.journal, &self.cancel);
        let outcome = built.map_err(|error| failed(&error))?;
        self.export(&outcome).map_err(|error| failed(&error))?;
        Ok(self.finished(&outcome))
    }

    /// Answers a question about the Dockerfile instead of building it.
    ///
    /// # Errors
    /// It is no question that is answered, or there is no Dockerfile.
    pub fn answer(&self, question: &str) -> Result<BTreeMap<String, Vec<u8>>, Status> {
        let loaded = self.load()?;
        let options = self.language(&loaded.ignore)?;
        questions::answer(question, &loaded.dockerfile, &options)
    }

    fn language(&self, ignore: &str) -> Result<gantry_dockerfile::Options, Status> {
        let options = self.attributes.language(&self.host.platform());
        let mut options = options.map_err(|error| Status::invalid_argument(error.to_string()))?;
        options.ignored = Patterns::read(ignore)
            .map_err(|error| failure::status(&BuildError::new(Fault::Ignore(error)), None))?;
        Ok(options)
    }

    fn request(&self, loaded: Loaded) -> Result<Request, Status> {
        let language = self.language(&loaded.ignore)?;
        let attributes = &self.attributes;
        let mut request = Request::new(loaded.dockerfile, language);
        request.ignore = loaded.ignore;
        request.network.clone_from(&attributes.network);
        request.extra_hosts.clone_from(&attributes.extra_hosts);
        request.limits = attributes.limits.clone();
        request.hostname.clone_from(&attributes.hostname);
        request.host_network = self.host_network;
        request.inline_cache = self.inline_cache;
        request.reuse = attributes.reuse.clone();
        request.pull = attributes.pull;
        request.cache_from.clone_from(&attributes.cache_from);
        for (name, place) in &attributes.contexts {
            let context = match place {
                attributes::Place::Image(image) => NamedContext::Image(image.clone()),
                attributes::Place::Session(directory) => {
                    NamedContext::Files(Arc::new(SessionContext::named(self, directory)))
                }
                attributes::Place::Address(address) => NamedContext::Address(address.clone()),
                attributes::Place::Layout(layout) => {
                    let image = self.load_layout(name, layout);
                    let image = image.map_err(|refusal| {
                        failure::status(&BuildError::new(Fault::Refused(refusal)), None)
                    })?;
                    NamedContext::Image(image)
                }
                attributes::Place::Upload(_) => {
                    let text = format!("the build context {name} cannot be an upload");
                    return Err(Status::invalid_argument(text));
                }
            };
            request.contexts.insert(name.clone(), context);
        }
        request.exports = self.exporters.iter().map(Exporter::export).collect();
        Ok(request)
    }

    pub(super) fn session_context(&self, directory: &str) -> Arc<dyn Context> {
        Arc::new(SessionContext::new(self, directory))
    }

    /// The session that has a directory.
    pub(super) fn lender(&self, directory: &str) -> &Session {
        self.lenders.get(directory).unwrap_or(&self.session)
    }

    /// What is built for: system and machine.
    pub(super) fn platform(&self) -> (String, String) {
        let host = self.host.platform();
        let asked = self.attributes.language(&host);
        let platform = asked.map_or(host, |options| options.target_platform);
        (platform.os, platform.architecture)
    }

    pub(super) fn keys(&self) -> SessionKeys {
        SessionKeys {
            session: self.session.clone(),
            runtime: self.runtime.clone(),
        }
    }

    fn finished(&self, outcome: &Outcome) -> Finished {
        let mut finished = Finished::new();
        if let Some(image) = &outcome.image {
            for key in ["containerimage.digest", "containerimage.config.digest"] {
                finished.insert(key.to_owned(), image.to_string());
            }
        }
        let names = self.exporters.iter().flat_map(|exporter| match exporter {
            Exporter::Image(names) => names.as_slice(),
            Exporter::Directory | Exporter::Tar => &[],
        });
        let names: Vec<String> = names.map(ToString::to_string).collect();
        if !names.is_empty() {
            finished.insert("image.name".to_owned(), names.join(","));
        }
        finished
    }
}
