//! Builds of the engine: one solver, its adapters, and who is building now.
//!
//! Owns the adapters of the solver's ports (cache in the store, registries, programs in containers)
//! and the identities of builds that clients may cancel. What a build is, the solver knows
//! (`gantry-build`); what a request says, the doors do.

mod buildkit;
mod cache;
mod registry;
mod web;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_build::{Attached, Cancel, Extent, Solver, SolverParts};
use gantry_registry::{ProxyOptions, Transfers};
use tokio::runtime::Handle;

use crate::container::Parts;
use crate::container::program::Programs;
pub use buildkit::BuildKit;
pub use registry::{CredentialsOf, Registries};

/// The builds of an engine.
#[derive(Debug)]
pub struct Builds {
    /// Builds.
    pub solver: Arc<Solver>,
    images: Arc<gantry_image::ImageStore>,
    programs: Arc<Programs>,
    transfers: Arc<Transfers>,
    /// Where contexts are unpacked.
    contexts: PathBuf,
    /// Where those that are small are received, in memory.
    receiving: PathBuf,
    running: Mutex<HashMap<String, Cancel>>,
}

impl Builds {
    /// Opens the solver. To be called inside the async runtime, before the image store is swept.
    ///
    /// # Errors
    /// Its directories cannot be made.
    pub(crate) fn open(parts: &Arc<Parts>, transfers: Arc<Transfers>) -> io::Result<Self> {
        let config = parts.config();
        let (root, run) = (
            config.data_root.join("build"),
            config.exec_root.join("build"),
        );
        let (contexts, receiving) = (root.join("contexts"), run.join("received"));
        match std::fs::remove_dir_all(&contexts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&contexts)?,
        }
        let programs = Arc::new(Programs::new(Arc::clone(parts), run.join("programs")));
        let solver = Solver::open(SolverParts {
            images: Arc::clone(&parts.images),
            cache: Arc::new(cache::StoredCache::open(parts.store.clone())),
            runner: Arc::clone(&programs) as Arc<dyn gantry_build::Runner>,
            web: Arc::new(web::Web {
                transfers: Arc::clone(&transfers),
                runtime: Handle::current(),
            }),
            proxies: proxies(&config.registries.proxy),
            root,
            run,
        })?;
        Ok(Self {
            solver: Arc::new(solver),
            images: Arc::clone(&parts.images),
            programs,
            transfers,
            contexts,
            receiving,
            running: Mutex::default(),
        })
    }

    /// Ends programs that a killed engine left; the supervisor must answer.
    pub(crate) async fn sweep(&self) {
        self.programs.sweep().await;
    }

    /// Registries with a client's credentials. To be called inside the async runtime.
    #[must_use]
    pub fn registries(&self, credentials: CredentialsOf) -> Registries {
        Registries {
            transfers: Arc::clone(&self.transfers),
            credentials,
            runtime: Handle::current(),
        }
    }

    /// A new, empty directory for a context, which goes when it is dropped.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn context_directory(&self) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("context-")
            .tempdir_in(&self.contexts)
    }

    /// The same for a small context, in memory; none if there is no room.
    #[must_use]
    pub fn context_memory(&self, extent: Extent) -> Option<Attached> {
        let room = self.solver.memory().room(extent)?;
        let name = gantry_ids::ContainerId::generate().to_string();
        let attached = room.attach(self.receiving.join(name));
        attached
            .inspect_err(|error| tracing::debug!(%error, "a room in memory cannot be attached"))
            .ok()
    }

    /// Where the files that clients send are received, and kept for the next time.
    #[must_use]
    pub fn received(&self) -> PathBuf {
        self.contexts.with_file_name("received")
    }

    /// Where what is small of them is received, in memory.
    #[must_use]
    pub fn receiving(&self) -> PathBuf {
        self.receiving.clone()
    }

    /// Lets a build be cancelled by its identity until the answer is dropped.
    #[must_use]
    pub fn register(self: &Arc<Self>, id: &str, cancel: &Cancel) -> Registered {
        if !id.is_empty() {
            self.lock().insert(id.to_owned(), cancel.clone());
        }
        Registered {
            builds: Arc::clone(self),
            id: id.to_owned(),
        }
    }

    /// Where programs of builds run: their places can be entered.
    #[must_use]
    pub(crate) fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Cancels a build; whether there is one.
    #[must_use]
    pub fn cancel(&self, id: &str) -> bool {
        let found = self.lock().get(id).cloned();
        if let Some(cancel) = &found {
            cancel.cancel();
        }
        found.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Cancel>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxies that repositories are fetched through: the configuration's, else the environment's.
fn proxies(configured: &ProxyOptions) -> Vec<(String, String)> {
    let each = [
        ("http_proxy", "HTTP_PROXY", configured.http.as_str()),
        ("https_proxy", "HTTPS_PROXY", configured.https.as_str()),
        ("no_proxy", "NO_PROXY", configured.none.as_str()),
        ("all_proxy", "ALL_PROXY", ""),
    ];
    let each = each.into_iter().filter_map(|(name, capital, set)| {
        let of = |name| std::env::var(name).ok();
        let set = Some(set.to_owned()).filter(|set| !set.is_empty());
        Some((
            name.to_owned(),
            set.or_else(|| of(name)).or_else(|| of(capital))?,
        ))
    });
    each.collect()
}

/// A build that can be cancelled by its identity.
#[derive(Debug)]
pub struct Registered {
    builds: Arc<Builds>,
    id: String,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.builds.lock().remove(&self.id);
    }
}
