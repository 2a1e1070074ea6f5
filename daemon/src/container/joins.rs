//! Other containers that a container needs: whose namespaces it joins (`container:ID`), and to which
//! it is linked.

use std::{path::PathBuf, sync::Arc};

use gantry_network::HostEntry;

use super::{
    endpoints,
    error::ContainerError,
    files::Files,
    link_variables,
    model::Record,
    registry::Containers,
    spec::namespaces::{Mode, mode},
};

/// What a container takes over from another one.
#[derive(Debug, Default)]
pub(super) struct Joins {
    pub(super) network: Option<String>,
    pub(super) ipc: Option<String>,
    /// The memory that goes with it.
    pub(super) shm: Option<PathBuf>,
    pub(super) pid: Option<String>,
    pub(super) files: Option<Files>,
    /// Lines of hosts for containers of the default bridge that it is linked to.
    pub(super) links: Vec<HostEntry>,
    /// Variables that they set.
    pub(super) variables: Vec<String>,
}

impl Containers {
    /// Finds the containers whose namespaces are joined; they must run.
    pub(super) fn joins(&self, record: &Record) -> Result<Joins, ContainerError> {
        let mut joins = Joins::default();
        if let Mode::Container(other) = mode(&record.host.network_mode) {
            let other = self.other(other, record)?;
            let Some(pid) = other.life.pid() else {
                return Err(ContainerError::Conflict(format!(
                    "cannot join network namespace of a non running container: container {} is {}",
                    other.name,
                    other.life.word()
                )));
            };
            joins.network = Some(format!("/proc/{pid}/ns/net"));
            joins.files = Some(Files::beneath(&self.parts.dir(&other.id)));
        }
        if let Mode::Container(other) = mode(&record.host.ipc_mode) {
            let (other, pid) = self.running("IPC", other, record)?;
            let shm = super::shm::path(&self.parts, &other.id);
            if !shm.is_dir() {
                return Err(ContainerError::Invalid(format!(
                    "failed to join IPC namespace: container {}: non-shareable IPC (hint: use \
                     IpcMode:shareable for the donor container)",
                    other.id
                )));
            }
            joins.ipc = Some(format!("/proc/{pid}/ns/ipc"));
            joins.shm = Some(shm);
        }
        if let Mode::Container(other) = mode(&record.host.pid_mode) {
            let (_, pid) = self.running("PID", other, record)?;
            joins.pid = Some(format!("/proc/{pid}/ns/pid"));
        }
        for link in endpoints::legacy_links(&record.host) {
            let (lines, variables) = self.linked(record, link)?;
            joins.links.extend(lines);
            joins.variables.extend(variables);
        }
        Ok(joins)
    }

    /// The variables that a container's links set.
    ///
    /// # Errors
    /// One that it is linked to does not run.
    pub(crate) fn link_variables(&self, record: &Record) -> Result<Vec<String>, ContainerError> {
        let mut variables = Vec::new();
        for link in endpoints::legacy_links(&record.host) {
            variables.extend(self.linked(record, link)?.1);
        }
        Ok(variables)
    }

    /// `NAME[:ALIAS]`: the other's addresses on the default bridge and all it is called, and the variables
    /// that tell of it.
    fn linked(
        &self,
        record: &Record,
        link: &str,
    ) -> Result<(Vec<HostEntry>, Vec<String>), ContainerError> {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        let other = self.find(name)?.record();
        if !other.life.has_process() {
            return Err(ContainerError::Conflict(format!(
                "Cannot link to a non running container: /{} AS /{}/{alias}",
                other.name, record.name
            )));
        }
        let endpoints = self.parts.networks.endpoints(&other.id);
        let addresses: Vec<_> = endpoints
            .iter()
            .filter(|endpoint| endpoint.network_name == "bridge")
            .flat_map(gantry_network::Endpoint::addresses)
            .map(|net| net.addr())
            .collect();
        let first = addresses.first();
        let variables = first.map(|address| {
            link_variables::of(record.name.as_str(), alias, (*address, &other.config))
        });
        let mut names = format!("{alias} {}", other.id.short());
        if other.name.as_str() != alias {
            names = format!("{names} {}", other.name);
        }
        let lines = addresses.iter().map(|address| HostEntry {
            address: *address,
            names: names.clone(),
        });
        Ok((lines.collect(), variables.unwrap_or_default()))
    }

    fn other(&self, other: &str, record: &Record) -> Result<Arc<Record>, ContainerError> {
        let handle = self.find(other)?;
        if handle.id == record.id {
            return Err(ContainerError::Conflict(
                "cannot join own network namespace".to_owned(),
            ));
        }
        Ok(handle.record())
    }

    /// A container that runs, and its process; dockerd blames the request for the one kind of
    /// namespace and itself for the other.
    fn running(
        &self,
        kind: &str,
        other: &str,
        record: &Record,
    ) -> Result<(Arc<Record>, u32), ContainerError> {
        let failed = |why: String| format!("failed to join {kind} namespace: {why}");
        let other = self.other(other, record).map_err(|error| {
            let text = failed(error.to_string());
            match kind {
                "IPC" => ContainerError::Invalid(text),
                _ => ContainerError::InvalidInternal(text),
            }
        })?;
        let Some(pid) = other.life.pid() else {
            let text = failed(format!("container {} is not running", other.id));
            return Err(match kind {
                "IPC" => ContainerError::Conflict(text),
                _ => ContainerError::InvalidInternal(text),
            });
        };
        Ok((other, pid))
    }
}
