//! The engine as BuildKit's clients need it, and their sessions.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use gantry_build::{
    BuildError, Cancel, Client, Outcome, Progress, PruneFilter, Refusal, Registry, Remote,
    RemoteWanted, Request,
};
use gantry_buildkit::build::{Host, Places};
use gantry_buildkit::fsutil::CONTENT_BYTES_MAX;
use gantry_buildkit::service::{Service, Usage, Wipe};
use gantry_buildkit::session::{Session, Sessions};
use gantry_dockerfile::Platform;
use gantry_errors::{Classify, ErrorKind};
use gantry_registry::Credentials;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tonic::Status;

use super::Builds;
use crate::container::archive::{UnpackOptions, unpack_into};

/// How Docker's configuration names its own registry.
const HUB: &str = "https://index.docker.io/v1/";

/// How much of a step's key is shown.
const KEY_DIGITS: usize = 25;

/// BuildKit's doors.
#[derive(Debug)]
pub struct BuildKit {
    /// What clients offer to be called back.
    pub sessions: Arc<Sessions>,
    /// What answers their calls.
    pub service: Service,
    /// What they sent of what they build.
    pub places: Arc<Places>,
}

impl BuildKit {
    /// Opens the doors of a solver.
    ///
    /// # Errors
    /// The directory that clients' files are received in cannot be made.
    pub fn open(builds: &Arc<Builds>) -> io::Result<Self> {
        let sessions = Arc::new(Sessions::default());
        let places = Places::open(
            builds.received(),
            builds.receiving(),
            Arc::clone(builds.solver.memory()),
        )?;
        let engine = Arc::new(Engine(Arc::clone(builds)));
        let service = Service::new(engine, Arc::clone(&sessions), Arc::clone(&places));
        Ok(Self {
            sessions,
            service,
            places,
        })
    }
}

#[derive(Debug)]
struct Engine(Arc<Builds>);

impl Host for Engine {
    fn build(
        &self,
        request: &Request,
        client: &Client,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Outcome, BuildError> {
        self.0.solver.build(request, client, progress, cancel)
    }

    fn fetch(
        &self,
        wanted: &RemoteWanted<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Arc<Remote>, BuildError> {
        self.0.solver.fetch(wanted, progress, cancel)
    }

    fn registry(&self, session: &Session, runtime: &Handle) -> Arc<dyn Registry> {
        let (session, handle) = (session.clone(), runtime.clone());
        let credentials = move |domain: &str| {
            let host = match domain {
                "docker.io" => HUB,
                domain => domain,
            };
            match handle.block_on(session.credentials(host)) {
                Ok(Some((user, password))) if user == "<token>" => {
                    Credentials::Identity { token: password }
                }
                Ok(Some((user, password))) => Credentials::Password { user, password },
                Ok(None) => Credentials::Anonymous,
                Err(error) => {
                    let error = gantry_errors::chain(&error);
                    tracing::debug!(%error, "the client gave no credentials");
                    Credentials::Anonymous
                }
            }
        };
        let _within = runtime.enter();
        Arc::new(self.0.registries(Arc::new(credentials)))
    }

    fn host_gateway(&self) -> Option<IpAddr> {
        self.0.programs.host_gateway()
    }

    fn unpack(&self, archive: &mut (dyn Read + Send), root: &Path) -> Result<(), Refusal> {
        let invalid = |error: &dyn std::error::Error| {
            let text = format!("unpack the build context: {}", gantry_errors::chain(error));
            Refusal::new(ErrorKind::InvalidArgument, text)
        };
        let (_, tar) = gantry_layer::decompress(archive).map_err(|error| invalid(&error))?;
        let options = UnpackOptions {
            owner: Some((0, 0)),
            content_bytes_max: Some(CONTENT_BYTES_MAX),
            ..UnpackOptions::default()
        };
        unpack_into(root, tar, options).map_err(|error| invalid(&error))
    }

    fn load(&self, archive: &mut (dyn Read + Send)) -> Result<String, Refusal> {
        let loaded = self.0.images.load(archive, &mut |_| ());
        let loaded = loaded.map_err(|error| {
            Refusal::new(error.kind(), gantry_errors::chain(&error).to_string())
        })?;
        let image = loaded.first().ok_or_else(|| {
            Refusal::new(
                ErrorKind::InvalidArgument,
                "the image layout holds no image",
            )
        })?;
        Ok(image.id.to_string())
    }

    fn pack(&self, root: &OwnedFd, archive: &mut dyn Write) -> io::Result<()> {
        let path = format!("/proc/self/fd/{}/.", root.as_raw_fd());
        gantry_layer::write_diff(Path::new(&path), archive).map(drop)
    }

    fn platform(&self) -> Platform {
        let machine = gantry_ids::Platform::of_this_machine();
        Platform::new(&machine.os, &machine.architecture, &machine.variant).normalized()
    }

    fn usage(&self) -> Result<Vec<Usage>, Status> {
        let kept = self.0.solver.kept();
        let usage = kept.into_iter().map(|kept| Usage {
            id: kept.key.hex()[..KEY_DIGITS].to_owned(),
            parent: kept
                .record
                .parent
                .map(|key| key.hex()[..KEY_DIGITS].to_owned()),
            description: kept.record.description,
            kind: "regular",
            size_bytes: kept.record.size_bytes,
            created_ns: kept.record.created_ns,
            used_ns: kept.record.used_ns,
            uses: kept.record.uses,
            is_shared: kept.is_shared,
        });
        Ok(usage.collect())
    }

    fn wipe(&self, wipe: &Wipe) -> Result<Vec<Usage>, Status> {
        let before = self.usage()?;
        let now = Timestamp::now().as_nanosecond();
        let since = Timestamp::from_nanosecond(now - i128::from(wipe.unused_for_ns));
        let pruned = self.0.solver.prune(&PruneFilter {
            unused_since: since.ok().filter(|_| wipe.unused_for_ns > 0),
            keep_bytes: wipe.keep_bytes,
            all: wipe.all,
        });
        let gone = |usage: &Usage| {
            let key = pruned.keys.iter();
            key.into_iter().any(|key| key.hex().starts_with(&usage.id))
        };
        Ok(before.into_iter().filter(gone).collect())
    }
}
