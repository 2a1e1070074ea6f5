//! `update`: limits and restart policy of a container, running or not.

use gantry_engine_api::host_config::UpdateRequest;

use super::{
    actor::{Actor, Command},
    error::ContainerError,
    registry::Containers,
    restart::Policy,
    spec::resources,
    validate,
};

impl Containers {
    /// Changes limits and restart policy. Answers warnings.
    ///
    /// # Errors
    /// Invalid values.
    pub async fn update(
        &self,
        reference: &str,
        request: UpdateRequest,
    ) -> Result<Vec<String>, ContainerError> {
        let handle = self.find(reference)?;
        let mut probe = (*handle.record()).clone().host;
        merge_update(&mut probe, &request);
        let warnings = validate::resources(&mut probe, &self.parts.machine)?;
        let request = Box::new(request);
        handle
            .call(|reply| Command::Update { request, reply })
            .await?;
        Ok(warnings)
    }
}

/// Fields that are set replace the record's.
fn merge_update(host: &mut gantry_engine_api::HostConfig, request: &UpdateRequest) {
    fn take<T: Default + PartialEq + Clone>(from: &T, to: &mut T) {
        if *from != T::default() {
            to.clone_from(from);
        }
    }
    macro_rules! take {
        ($($field:ident),*) => {
            $(take(&request.$field, &mut host.$field);)*
        };
    }
    take!(
        cpu_shares,
        memory,
        nano_cpus,
        blkio_weight,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        memory_reservation,
        memory_swap,
        pids_limit
    );
    if !request.restart_policy.name.is_empty() {
        host.restart_policy = request.restart_policy.clone();
    }
}

impl Actor {
    pub(super) async fn update(&mut self, request: &UpdateRequest) -> Result<(), ContainerError> {
        let mut host = self.record.host.clone();
        merge_update(&mut host, request);
        validate::resources(&mut host, &self.all.parts.machine)?;
        let policy = Policy::parse(
            &host.restart_policy.name,
            host.restart_policy.maximum_retry_count,
        )?;
        if host.auto_remove && policy != Policy::No {
            return Err(ContainerError::Invalid(
                "Restart policy cannot be updated because AutoRemove is enabled for the container"
                    .to_owned(),
            ));
        }
        if self.record.life.has_process() {
            let limits = resources::limits(&host.resources());
            let limits = serde_json::to_vec(&limits).expect("plain fields");
            let updated = self
                .all
                .parts
                .supervisor
                .update(&self.record.id, limits)
                .await;
            updated.map_err(|source| self.runtime("update the container", source))?;
        }
        self.persist(|record| record.host = host).await?;
        self.publish();
        self.all.parts.announce(&self.record, "update", &[]);
        Ok(())
    }
}
