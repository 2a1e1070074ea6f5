//! Namespaces of other containers that a container joins (`container:ID`).

use gantry_ids::ContainerId;

use super::{
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
        Ok(joins)
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
