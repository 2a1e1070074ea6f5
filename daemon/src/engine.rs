//! What all handlers share: the configuration, the event bus, the stores.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use gantry_image::{ImageError, ImageStore};
use gantry_registry::{Registries, Transfers};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::build::{BuildKit, Builds};
use crate::census::Census;
use crate::config::Config;
use crate::container::Containers;
use crate::container::open::{self, OpenError as ContainersError};
use crate::events::EventBus;
use crate::host::Host;
use crate::host::limits::Limits;
use crate::logs::LogWatch;
use crate::runtime::features::Features;

/// One engine. Cheap to share, safe to use from any task; nothing in it waits for a container.
#[derive(Debug)]
pub struct Engine {
    config: Arc<RwLock<Arc<Config>>>,
    /// The engine's identity, a UUID made at the first start.
    pub id: String,
    /// The machine.
    pub host: Host,
    /// What the machine can limit.
    pub limits: Limits,
    /// What happens, for `GET /events`.
    pub events: Arc<EventBus>,
    /// Images and their layers.
    pub images: Arc<ImageStore>,
    /// Pulls and pushes images.
    pub transfers: Arc<Transfers>,
    /// Builds and their cache.
    pub builds: Arc<Builds>,
    /// What buildx calls.
    pub buildkit: BuildKit,
    /// Wakes those who follow logs; none if the kernel has no watch left: then they poll.
    pub log_watch: Option<Arc<LogWatch>>,
    /// Containers, and with them volumes and networks.
    pub containers: Containers,
    /// What the OCI runtimes say of themselves.
    pub features: Features,
    /// Who uses what.
    pub census: Arc<dyn Census>,
    /// Cancelled when the daemon is to end.
    pub ending: CancellationToken,
    /// Cancelled when the daemon ends: every endless stream listens to it.
    pub closing: CancellationToken,
}

/// Why the engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A directory.
    #[error("make directory {path}", path = path.display())]
    Directory {
        /// Which one.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The image store.
    #[error("open the image store")]
    Images(#[source] ImageError),
    /// The builds' directories.
    #[error("open the builds")]
    Builds(#[source] io::Error),
    /// Containers, volumes, networks.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// The file of the engine's identity.
    #[error("engine id {path}", path = path.display())]
    Id {
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Engine {
    /// Opens the engine's directories and stores; everything that was there before is found again.
    /// Must be called inside the async runtime.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: Config) -> Result<Self, OpenError> {
        // Others may pass through to what is theirs (volumes), and list nothing.
        directory(&config.data_root, 0o711)?;
        directory(&config.exec_root, 0o711)?;
        let id = engine_id(&config.data_root.join("engine-id"))?;
        let (root, mounts) = (
            config.data_root.join("image"),
            config.exec_root.join("layers"),
        );
        let images = ImageStore::open_as(&root, config.storage.layers, mounts);
        let images = images.map_err(OpenError::Images)?;
        let events = EventBus::open(&config.exec_root.join("events.json"));
        let (images, events) = (Arc::new(images), Arc::new(events));
        let (host, limits) = (Host::look(), Limits::look());
        let registries = Arc::new(Registries::new(config.registries.clone()));
        let transfers = Transfers::new(registries, Arc::clone(&images), config.transfers);
        let config = Arc::new(RwLock::new(Arc::new(config)));
        let with = open::With {
            config: Arc::clone(&config),
            images: Arc::clone(&images),
            events: Arc::clone(&events),
            host: &host,
            limits: &limits,
        };
        let containers = open::containers(with)?;
        let transfers = Arc::new(transfers);
        let builds = Builds::open(&containers.parts, Arc::clone(&transfers));
        let builds = Arc::new(builds.map_err(OpenError::Builds)?);
        let buildkit = BuildKit::open(&builds).map_err(OpenError::Builds)?;
        Ok(Self {
            config,
            id,
            host,
            limits,
            events,
            images,
            transfers,
            builds,
            buildkit,
            log_watch: LogWatch::start()
                .inspect_err(|error| warn!(%error, "watch logs"))
                .ok(),
            features: Features::default(),
            census: Arc::new(containers.clone()),
            containers,
            ending: CancellationToken::new(),
            closing: CancellationToken::new(),
        })
    }

    /// The configuration as it is now; a reload replaces it as a whole.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration (SIGHUP).
    pub fn set_config(&self, config: Config) {
        let registries = config.registries.clone();
        self.transfers.registries().set_options(registries);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}

fn directory(path: &Path, mode: u32) -> Result<(), OpenError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path);
    let made =
        made.and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)));
    made.map_err(|source| OpenError::Directory {
        path: path.to_owned(),
        source,
    })
}

/// Reads the identity, or makes one and keeps it.
fn engine_id(path: &Path) -> Result<String, OpenError> {
    let failed = |source| OpenError::Id {
        path: path.to_owned(),
        source,
    };
    match std::fs::read_to_string(path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let id = std::fs::read_to_string("/proc/sys/kernel/random/uuid").map_err(failed)?;
    let new = path.with_extension("new");
    std::fs::write(&new, id.trim()).map_err(failed)?;
    std::fs::rename(&new, path).map_err(failed)?;
    Ok(id.trim().to_owned())
}
