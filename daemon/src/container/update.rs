//! `update`: limits, restart policy and published ports of a container, running or not.

use gantry_engine_api::{HostConfig, Resources, host_config::UpdateRequest};

use gantry_telemetry::failpoint;

use super::{
    actor::{Actor, Command},
    error::ContainerError,
    failpoints, live_ports,
    registry::Containers,
    restart::Policy,
    spec::{self, resources},
    validate,
};

impl Containers {
    /// Changes limits, restart policy and published ports. Answers warnings.
    ///
    /// # Errors
    /// Invalid values, and those that contradict what the container has.
    pub async fn update(
        &self,
        reference: &str,
        mut request: UpdateRequest,
    ) -> Result<Vec<String>, ContainerError> {
        let handle = self.find(reference)?;
        let asked = &request.restart_policy;
        Policy::parse(&asked.name, asked.maximum_retry_count)?;
        let (limits, warnings) = validate::update(request.resources(), &self.parts.machine)?;
        request.set_resources(limits);
        let request = Box::new(request);
        handle
            .call(|reply| Command::Update { request, reply })
            .await?;
        Ok(warnings)
    }
}

/// Fields that are set replace the record's.
fn merge_update(host: &mut HostConfig, request: &UpdateRequest) {
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

/// What the container has that stands against the update; dockerd's words.
fn conflict(has: &Resources, asked: &Resources) -> Option<&'static str> {
    let conflicts = [
        (
            asked.nano_cpus > 0 && has.cpu_period > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            asked.nano_cpus > 0 && has.cpu_quota > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            asked.cpu_period > 0 && has.nano_cpus > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            asked.cpu_quota > 0 && has.nano_cpus > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            // −1 is no limit.
            asked.memory > 0
                && asked.memory_swap == 0
                && has.memory_swap != -1
                && asked.memory > has.memory_swap,
            "Memory limit should be smaller than already set memoryswap limit, update the \
             memoryswap at the same time",
        ),
    ];
    let found = conflicts.into_iter().find(|(conflicts, _)| *conflicts);
    found.map(|(_, text)| text)
}

impl Actor {
    pub(super) async fn update(&mut self, request: &UpdateRequest) -> Result<(), ContainerError> {
        let updated = self.apply_update(request).await;
        updated.map_err(|source| ContainerError::Update {
            id: self.record.id.clone(),
            source: Box::new(source),
        })?;
        self.publish();
        self.all.parts.announce(&self.record, "update", &[]);
        Ok(())
    }

    async fn apply_update(&mut self, request: &UpdateRequest) -> Result<(), ContainerError> {
        let mut host = self.record.host.clone();
        if let Some(text) = conflict(&host.resources(), &request.resources()) {
            return Err(ContainerError::Conflict(text.to_owned()));
        }
        merge_update(&mut host, request);
        let asked = &host.restart_policy;
        let policy = Policy::parse(&asked.name, asked.maximum_retry_count)?;
        if host.auto_remove && policy != Policy::No {
            return Err(ContainerError::Conflict(
                "Restart policy cannot be updated because AutoRemove is enabled for the container"
                    .to_owned(),
            ));
        }
        let change = match live_ports::asked(request) {
            None => None,
            Some(asked) => {
                let plan = live_ports::plan(&host, &self.published(), asked)?;
                plan.define(&mut host)?;
                match self.record.life.has_process() {
                    true => self.change_ports(&plan).await?,
                    false => None,
                }
            }
        };
        let updated = self.limit_and_persist(host).await;
        if let Some(change) = change {
            self.settle_ports(change, updated.is_ok()).await;
        }
        updated
    }

    async fn limit_and_persist(&mut self, host: HostConfig) -> Result<(), ContainerError> {
        if self.record.life.has_process() {
            let limits = resources::limits(&host.resources()).map_err(spec::SpecError::from)?;
            let limits = serde_json::to_vec(&limits).expect("plain fields");
            let supervisor = &self.all.parts.supervisor;
            let updated = supervisor.update(&self.record.id, limits).await;
            updated.map_err(|source| ContainerError::InvalidInternal(source.to_string()))?;
            failpoint(failpoints::UPDATE_APPLIED)?;
        }
        self.persist(|record| record.host = host).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(has: &str, asked: &str) -> &'static str {
        let parse = |text: &str| {
            let host: HostConfig = gantry_engine_api::json::from_slice(text.as_bytes()).unwrap();
            host.resources()
        };
        conflict(&parse(has), &parse(asked)).unwrap_or_default()
    }

    #[test]
    fn what_the_container_has_may_stand_against_an_update() {
        let period = r#"{"CpuPeriod":100000}"#;
        let nano = r#"{"NanoCpus":1000000000}"#;
        assert!(told(period, nano).contains("CPU Period has already been set"));
        assert!(told(nano, period).contains("CPU Period cannot be updated"));
        let small = r#"{"Memory":20000000,"MemorySwap":40000000}"#;
        let large = r#"{"Memory":50000000}"#;
        assert!(told(small, large).contains("update the memoryswap at the same time"));
        assert_eq!(told(r#"{"MemorySwap":-1}"#, large), "");
        assert_eq!(told(small, r#"{"Memory":30000000}"#), "");
    }
}
