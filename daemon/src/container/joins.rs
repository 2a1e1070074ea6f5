//! Other containers that a container needs: whose namespaces it joins (`container:ID`), and to which
//! it is linked.

use gantry_ids::ContainerId;
use gantry_network::HostEntry;

use super::{
    endpoints,
    error::ContainerError,
    files::Files,
    model::Record,
    registry::Containers,
    spec::namespaces::{Mode, mode},
};

/// What a container takes over from another one.
#[derive(Debug, Default)]
pub(super) struct Joins {
    pub(super) network: Option<String>,
    pub(super) ipc: Option<String>,
    pub(super) pid: Option<String>,
    pub(super) files: Option<Files>,
    /// Lines of hosts for containers of the default bridge that it is linked to.
    pub(super) links: Vec<HostEntry>,
}

impl Containers {
    /// Finds the containers whose namespaces are joined; they must run.
    pub(super) fn joins(&self, record: &Record) -> Result<Joins, ContainerError> {
        let mut joins = Joins::default();
        if let Mode::Container(other) = mode(&record.host.network_mode) {
            let (id, pid) = self.running(other, &record.id, "network of")?;
            joins.network = Some(format!("/proc/{pid}/ns/net"));
            joins.files = Some(Files::beneath(&self.parts.dir(&id)));
        }
        if let Mode::Container(other) = mode(&record.host.ipc_mode) {
            let (_, pid) = self.running(other, &record.id, "IPC namespace of")?;
            joins.ipc = Some(format!("/proc/{pid}/ns/ipc"));
        }
        if let Mode::Container(other) = mode(&record.host.pid_mode) {
            let (_, pid) = self.running(other, &record.id, "PID namespace of")?;
            joins.pid = Some(format!("/proc/{pid}/ns/pid"));
        }
        for link in endpoints::legacy_links(&record.host) {
            joins.links.extend(self.linked(record, link)?);
        }
        Ok(joins)
    }

    /// `NAME[:ALIAS]`: the other's address on the default bridge and all it is called.
    fn linked(&self, record: &Record, link: &str) -> Result<Option<HostEntry>, ContainerError> {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        let other = self.find(name)?.record();
        if !other.life.has_process() {
            return Err(ContainerError::Conflict(format!(
                "Cannot link to a non running container: /{} AS /{}/{alias}",
                other.name, record.name
            )));
        }
        let endpoints = self.parts.networks.endpoints(&other.id);
        let address = endpoints
            .iter()
            .find(|endpoint| endpoint.network_name == "bridge")
            .and_then(|endpoint| endpoint.ip);
        let mut names = format!("{alias} {}", other.id.short());
        if other.name.as_str() != alias {
            names = format!("{names} {}", other.name);
        }
        Ok(address.map(|address| HostEntry {
            address: address.into(),
            names,
        }))
    }

    fn running(
        &self,
        other: &str,
        own: &ContainerId,
        what: &str,
    ) -> Result<(ContainerId, u32), ContainerError> {
        let handle = self.find(other)?;
        if handle.id == *own {
            return Err(ContainerError::Conflict(format!(
                "cannot join the {what} the container itself"
            )));
        }
        let record = handle.record();
        let pid = record.life.pid().ok_or_else(|| {
            ContainerError::Conflict(format!(
                "cannot join {what} a non running container: {}",
                record.id
            ))
        })?;
        Ok((record.id.clone(), pid))
    }
}
