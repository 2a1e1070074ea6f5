//! `create`: the request merged with the image, checked, completed; name, root file system, volumes
//! and record, in that order, each undone when a later one fails.

use std::path::Path;

use gantry_engine_api::network::{Endpoints, NetworkingConfig};
use gantry_engine_api::{ContainerConfig, CreateRequest, HostConfig};
use gantry_ids::{ContainerId, ContainerName, Platform, random_name};
use gantry_image::Image;
use gantry_telemetry::failpoint;
use jiff::Timestamp;

use super::{
    endpoints,
    error::ContainerError,
    failpoints,
    merge::{command, merge},
    model::{LastRun, Record},
    mounts::{self, MountRecord, Source},
    names::LookupError,
    registry::{Containers, Handle},
    spec::namespaces::{Mode, mode},
    state::Life,
    validate,
};
use crate::store::{Batch, Table};

/// How often a made-up name is drawn before giving up.
const NAME_TRIES: u32 = 32;

/// A created container.
#[derive(Debug)]
pub struct Created {
    pub id: ContainerId,
    pub warnings: Vec<String>,
}

impl Containers {
    /// Makes a container.
    ///
    /// # Errors
    /// [`ContainerError`]; nothing is left then.
    pub async fn create(
        &self,
        name: &str,
        request: CreateRequest,
    ) -> Result<Created, ContainerError> {
        self.create_for(name, None, request).await
    }

    /// Makes a container of the image for a platform.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn create_for(
        &self,
        name: &str,
        platform: Option<&Platform>,
        request: CreateRequest,
    ) -> Result<Created, ContainerError> {
        let CreateRequest {
            mut config,
            host_config: mut host,
            networking_config,
        } = request;
        let given = (!name.is_empty()).then(|| name.parse::<ContainerName>());
        let name = given.transpose()?;
        let image = self.parts.images.find_for(&config.image, platform)?;
        merge(&mut config, image.config.run());
        let (path, args) = command(&config)?;
        let settings = self.parts.config();
        crate::space::check(&settings.data_root)?;
        let mut warnings = validate::create(
            &mut config,
            &mut host,
            &settings.containers,
            &self.parts.machine,
        )?;
        if !settings.runtimes.contains_key(&host.runtime) {
            return Err(ContainerError::Invalid(format!(
                "unknown or invalid runtime name: {}",
                host.runtime
            )));
        }
        super::ports::check(&host)?;
        self.resolve_joins(&mut host)?;
        let init = host.init.unwrap_or(settings.containers.init);
        if init && self.parts.init.is_none() && settings.containers.init_path.is_none() {
            warnings.push("this engine was built without its init".to_owned());
        }
        let endpoints = self.endpoints(&config, &host, &networking_config)?;
        let mounts = mounts::requested(&config, &host, self.inherited(&host)?)?;
        warnings.extend(mounts::hint::of_foreign_owners(&mounts));
        let id = ContainerId::generate();
        self.complete_names(&mut config, &host, &id);
        let name = self.reserve(name, &id)?;
        let record = Record {
            v: Record::CURRENT,
            id: id.clone(),
            name,
            created: Timestamp::now(),
            image: image.id,
            chain: image.config.chain(),
            path,
            args,
            log_path: self.log_path(&id, &host),
            config,
            host,
            endpoints,
            mounts,
            life: Life::Created,
            last: LastRun::default(),
            restarts: 0,
            oom: false,
            stopped_by_user: false,
            halted: false,
        };
        match self.build(record, &image).await {
            Ok(handle) => {
                self.parts.announce(&handle.record(), "create", &[]);
                Ok(Created { id, warnings })
            }
            Err(error) => {
                self.names.release(&id);
                Err(error)
            }
        }
    }

    /// Where its log will be; none where nothing is logged.
    fn log_path(&self, id: &ContainerId, host: &HostConfig) -> Option<String> {
        (host.log_config.driver != "none").then(|| {
            let dir = self.parts.dir(id);
            dir.join(format!("{id}-json.log")).display().to_string()
        })
    }

    /// Root file system, volumes, record.
    async fn build(&self, mut record: Record, image: &Image) -> Result<Handle, ContainerError> {
        failpoint(failpoints::CREATE_RESERVED)?;
        let made = self.populate(&mut record, image).await;
        let outcome = match made {
            Ok(()) => self.write_new(record.clone()).await,
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            self.unmake(&record).await;
        }
        outcome
    }

    async fn write_new(&self, record: Record) -> Result<Handle, ContainerError> {
        failpoint(failpoints::CREATE_ROOTFS)?;
        let id = record.id.as_str();
        let batch = Batch::default().put(Table::Containers, id, record.encode());
        let batch = batch.delete(Table::Teardown, id);
        // One that removes itself would not be there after the machine's end (ADR 28).
        let written = if record.host.auto_remove {
            self.parts.commit_soon(batch).await
        } else {
            self.parts.commit(batch).await
        };
        written.map_err(|source| ContainerError::Persist {
            id: record.id.clone(),
            source,
        })?;
        failpoint(failpoints::CREATE_PERSISTED)?;
        Ok(self.adopt(record, false))
    }

    /// Makes the directories and volumes of a new container.
    async fn populate(&self, record: &mut Record, image: &Image) -> Result<(), ContainerError> {
        let parts = self.parts.clone();
        let (id, image_id) = (record.id.clone(), image.id);
        blocking(move || -> Result<(), ContainerError> {
            let dir = parts.dir(&id);
            make_dir(&dir)?;
            parts
                .images
                .prepare_rootfs(&id, &image_id, &parts.rw(&id))?;
            Ok(())
        })
        .await?;
        self.promise_volumes(record).await?;
        for mount in &mut record.mounts {
            match &mut mount.source {
                Source::Volume { .. } => self.provide_volume(&record.id, mount, image).await?,
                Source::Bind { path, create, .. } => bind_source(Path::new(path), *create)?,
                Source::Image { reference, id, .. } => {
                    *id = self.parts.images.find(reference)?.id.to_string();
                }
                Source::Tmpfs { .. } => {}
            }
        }
        Ok(())
    }

    /// Takes back what [`Self::populate`] made; a failure leaves something for the next start's
    /// sweep.
    async fn unmake(&self, record: &Record) {
        let parts = self.parts.clone();
        let id = record.id.clone();
        let undone = blocking(move || {
            let released = parts.images.release_rootfs(&id, &parts.rw(&id));
            drop(std::fs::remove_dir_all(parts.dir(&id)));
            released.map_err(ContainerError::from)
        });
        if let Err(error) = undone.await {
            let error = gantry_errors::chain(&error).to_string();
            tracing::warn!(container.id = %record.id, error, "a failed create was not undone");
        }
        for mount in &record.mounts {
            if let Source::Volume {
                name,
                anonymous: true,
                ..
            } = &mount.source
                && !name.is_empty()
            {
                drop(self.parts.volumes.remove(name, &[]).await);
            }
        }
        let forgotten = Batch::default().delete(Table::Teardown, record.id.as_str());
        drop(self.parts.commit(forgotten).await);
    }

    fn reserve(
        &self,
        name: Option<ContainerName>,
        id: &ContainerId,
    ) -> Result<ContainerName, ContainerError> {
        if let Some(name) = name {
            self.names.reserve(&name, id)?;
            return Ok(name);
        }
        for attempt in 0..NAME_TRIES {
            let name = random_name(attempt);
            match self.names.reserve(&name, id) {
                Ok(()) => return Ok(name),
                Err(LookupError::Conflict { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(ContainerError::Conflict(
            "no free container name was found".to_owned(),
        ))
    }

    /// The containers that `container:NAME` modes and links name must exist; modes keep them by id, so
    /// that a later rename changes nothing.
    fn resolve_joins(&self, host: &mut HostConfig) -> Result<(), ContainerError> {
        for text in [
            &mut host.network_mode,
            &mut host.ipc_mode,
            &mut host.pid_mode,
        ] {
            if let Mode::Container(other) = mode(text) {
                let other = self
                    .find(other)
                    .map_err(|error| ContainerError::Invalid(error.to_string()))?;
                *text = format!("container:{}", other.id);
            }
        }
        for link in endpoints::legacy_links(host) {
            let name = link.split(':').next().unwrap_or_default();
            self.find(name).map_err(|error| {
                ContainerError::Invalid(format!("could not get container for {name}: {error}"))
            })?;
        }
        Ok(())
    }

    /// The networks it is to join, checked.
    fn endpoints(
        &self,
        config: &ContainerConfig,
        host: &HostConfig,
        asked: &NetworkingConfig,
    ) -> Result<Endpoints, ContainerError> {
        let main = &host.network_mode;
        let asked = &asked.endpoints_config;
        let own = asked.get(main).map_or("", |own| own.mac_address.as_str());
        if !own.is_empty() && !config.mac_address.is_empty() && own != config.mac_address {
            return Err(ContainerError::Invalid(
                "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty".to_owned(),
            ));
        }
        endpoints::requested(&self.parts, main, asked)
    }

    fn inherited(&self, host: &HostConfig) -> Result<Vec<MountRecord>, ContainerError> {
        let mut inherited = Vec::new();
        for spec in host.volumes_from.iter() {
            let (other, _) = mounts::volumes_from(spec)?;
            let other = self
                .find(other)
                .map_err(|error| ContainerError::Invalid(error.to_string()))?;
            inherited.extend(mounts::inherit(spec, &other.record().mounts)?);
        }
        Ok(inherited)
    }

    /// The host name that inspect tells.
    fn complete_names(&self, config: &mut ContainerConfig, host: &HostConfig, id: &ContainerId) {
        if !config.hostname.is_empty() {
            return;
        }
        config.hostname = match mode(&host.network_mode) {
            Mode::Host => self.parts.machine_name.clone(),
            Mode::Container(_) => String::new(),
            Mode::Default | Mode::Word(_) if host.uts_mode == "host" => {
                self.parts.machine_name.clone()
            }
            Mode::Default | Mode::Word(_) => id.short().to_owned(),
        };
    }
}

/// Runs work that may wait for the disk or the kernel.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ContainerError> + Send + 'static,
) -> Result<T, ContainerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn make_dir(path: &Path) -> Result<(), ContainerError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o710)
        .create(path);
    made.map_err(|source| ContainerError::File {
        step: "make",
        path: path.to_owned(),
        source,
    })
}

/// A bind's source: made as a directory where that was asked for, else it must be there.
pub(super) fn bind_source(path: &Path, create: bool) -> Result<(), ContainerError> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    if create {
        return std::fs::create_dir_all(path).map_err(|source| ContainerError::File {
            step: "error while creating mount source path",
            path: path.to_owned(),
            source,
        });
    }
    Err(ContainerError::Invalid(format!(
        "invalid mount config for type \"bind\": bind source path does not exist: {}",
        path.display()
    )))
}
