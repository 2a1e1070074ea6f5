//! `ps`: filters, order, and one line a container. Reads published views only.

use std::sync::Arc;

use gantry_engine_api::{Filters, container::ContainerSummary, filters::FilterError};
use jiff::Timestamp;
use regex_lite::Regex;

use super::{error::ContainerError, model::Record, registry::Containers, summary::Summaries};

/// The filters `ps` knows.
const FILTERS: [&str; 16] = [
    "ancestor",
    "before",
    "exited",
    "id",
    "isolation",
    "label",
    "name",
    "status",
    "health",
    "since",
    "volume",
    "network",
    "is-task",
    "publish",
    "expose",
    "label!",
];

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// Only the last so many, running or not; 0: no limit.
    pub limit: usize,
    pub size: bool,
    pub filters: Filters,
}

impl Containers {
    /// Tells `each` of the containers, the newest first. One at a time, so that a long list is never
    /// held as a whole.
    ///
    /// # Errors
    /// A filter that cannot be used.
    pub async fn list(
        &self,
        options: ListOptions,
        mut each: impl FnMut(&ContainerSummary) + Send,
    ) -> Result<(), ContainerError> {
        let filters = &options.filters;
        let invalid = |error: FilterError| ContainerError::Invalid(error.to_string());
        filters.only(&FILTERS).map_err(invalid)?;
        self.check_values(filters)?;
        let all = options.all
            || options.limit > 0
            || filters.contains("status")
            || filters.contains("exited")
            || filters.contains("before")
            || filters.contains("since");
        let before = self.moment(filters, "before")?;
        let since = self.moment(filters, "since")?;
        let mut found: Vec<Arc<Record>> = self
            .records()
            .into_iter()
            .filter(|record| all || record.life.counts_as_running())
            .filter(|record| before.is_none_or(|before| record.created < before))
            .filter(|record| since.is_none_or(|since| record.created > since))
            .filter(|record| self.matches(record, filters))
            .collect();
        found.sort_by_key(|record| std::cmp::Reverse(record.created));
        if options.limit > 0 {
            found.truncate(options.limit);
        }
        let mut summaries = Summaries::new(&self.parts);
        for record in found {
            let mut summary = summaries.of(&record);
            if options.size {
                (summary.size_rw, summary.size_root_fs) = self.sizes(record).await?;
            }
            each(&summary);
        }
        Ok(())
    }

    fn check_values(&self, filters: &Filters) -> Result<(), ContainerError> {
        const WORDS: [&str; 7] = [
            "created",
            "running",
            "paused",
            "restarting",
            "removing",
            "exited",
            "dead",
        ];
        let bad = |name: &str, value: &str| {
            ContainerError::Invalid(format!("invalid filter '{name}={value}'"))
        };
        if let Some(value) = filters.get("status").find(|value| !WORDS.contains(value)) {
            return Err(ContainerError::Invalid(format!(
                "invalid filter 'status={value}': invalid value for state ({value}): must be one of {}",
                WORDS.join(", ")
            )));
        }
        if let Some(value) = filters
            .get("exited")
            .find(|value| value.parse::<i64>().is_err())
        {
            return Err(bad("exited", value));
        }
        Ok(())
    }

    /// When the container named by `before` or `since` was made.
    fn moment(&self, filters: &Filters, name: &str) -> Result<Option<Timestamp>, ContainerError> {
        filters
            .get(name)
            .next()
            .map(|reference| Ok(self.find(reference)?.record().created))
            .transpose()
    }

    fn matches(&self, record: &Record, filters: &Filters) -> bool {
        let exit = record.life.exit().map(|exit| exit.code.to_string());
        filters.allows("status", record.life.word())
            && filters.allows_by("exited", |code| exit.as_deref() == Some(code))
            && filters.allows_by("id", |id| record.id.as_str().starts_with(id))
            && filters.allows_by("name", |name| name_matches(record, name))
            && filters.allows_labels("label", |key| {
                record.config.labels.get(key).map(String::as_str)
            })
            && filters.allows_by("ancestor", |image| self.descends(record, image))
            && filters.allows_by("volume", |volume| uses_volume(record, volume))
            && filters.allows_by("network", |network| self.in_network(record, network))
            && filters.allows_by("publish", |port| publishes(record, port))
            && filters.allows_by("expose", |port| exposes(record, port))
            && filters.allows_by("health", |health| health == "none")
            && filters.allows_by("is-task", |task| task == "false")
    }

    fn descends(&self, record: &Record, image: &str) -> bool {
        record.config.image == image
            || self
                .parts
                .images
                .find(image)
                .is_ok_and(|image| image.id == record.image)
    }

    fn in_network(&self, record: &Record, network: &str) -> bool {
        let is_in = |name: &str| record.endpoints.contains_key(name);
        let found = self.parts.networks.inspect(network);
        is_in(network) || found.is_ok_and(|network| is_in(&network.name))
    }
}

/// As dockerd: a regular expression, on the name with its slash and without; one that does not parse
/// is taken as the name itself.
fn name_matches(record: &Record, pattern: &str) -> bool {
    let name = record.name.as_str();
    match Regex::new(pattern) {
        Ok(regex) => regex.is_match(name) || regex.is_match(&format!("/{name}")),
        Err(_) => name == pattern.trim_start_matches('/'),
    }
}

fn uses_volume(record: &Record, volume: &str) -> bool {
    record.mounts.iter().any(|mount| {
        let point = mount.to_api();
        point.name == volume || point.destination == volume || point.source == volume
    })
}

fn with_protocol(port: &str) -> String {
    if port.contains('/') {
        port.to_owned()
    } else {
        format!("{port}/tcp")
    }
}

fn publishes(record: &Record, port: &str) -> bool {
    record.host.port_bindings.contains_key(&with_protocol(port))
}

fn exposes(record: &Record, port: &str) -> bool {
    record
        .config
        .exposed_ports
        .contains_key(&with_protocol(port))
}
