//! `ps`: filters, order, and one line a container. Reads published views only.

use std::sync::Arc;

use gantry_engine_api::{
    Filters, List,
    container::{ContainerSummary, SummaryHostConfig, SummaryNetworkSettings},
    filters::FilterError,
    port::PortSummary,
};
use jiff::Timestamp;
use regex_lite::Regex;

use super::{
    error::ContainerError,
    inspect::network_settings,
    model::Record,
    registry::{Containers, Handle, Parts},
    state::Life,
};

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
    /// Containers, the newest first.
    ///
    /// # Errors
    /// A filter that cannot be used.
    pub async fn list(
        &self,
        options: ListOptions,
    ) -> Result<Vec<ContainerSummary>, ContainerError> {
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
        let mut found: Vec<(Handle, Arc<Record>)> = self
            .handles()
            .into_iter()
            .map(|handle| {
                let record = handle.record();
                (handle, record)
            })
            .filter(|(_, record)| all || record.life.counts_as_running())
            .filter(|(_, record)| before.is_none_or(|before| record.created < before))
            .filter(|(_, record)| since.is_none_or(|since| record.created > since))
            .filter(|(_, record)| self.matches(record, filters))
            .collect();
        found.sort_by_key(|(_, record)| std::cmp::Reverse(record.created));
        if options.limit > 0 {
            found.truncate(options.limit);
        }
        let mut summaries = Vec::with_capacity(found.len());
        for (handle, record) in found {
            let mut summary = summarize(&self.parts, &record);
            if options.size {
                let (rw, total) = self.sizes(&handle).await?;
                summary.size_rw = rw;
                summary.size_root_fs = total;
            }
            summaries.push(summary);
        }
        Ok(summaries)
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

/// One line of the list.
pub(super) fn summarize(parts: &Parts, record: &Record) -> ContainerSummary {
    let settings = network_settings(parts, record);
    let mut ports: Vec<PortSummary> = Vec::new();
    for (port, bindings) in settings.ports.iter() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let private_port = number.parse().unwrap_or(0);
        let protocol = protocol.to_owned();
        if bindings.is_empty() {
            ports.push(PortSummary {
                private_port,
                protocol: protocol.clone(),
                ..Default::default()
            });
        }
        ports.extend(bindings.iter().map(|binding| PortSummary {
            ip: binding.host_ip.clone(),
            private_port,
            public_port: binding.host_port.parse().unwrap_or(0),
            protocol: protocol.clone(),
            reach: binding.reach.clone(),
        }));
    }
    ports.sort();
    let image_is_known = parts
        .images
        .find(&record.config.image)
        .is_ok_and(|image| image.id == record.image);
    let annotations = record.host.annotations.clone();
    ContainerSummary {
        id: record.id.to_string(),
        names: List::from(vec![record.name.with_slash()]),
        image: if image_is_known {
            record.config.image.clone()
        } else {
            record.image.to_string()
        },
        image_id: record.image.to_string(),
        command: command(record),
        created: record.created.as_second(),
        ports: ports.into(),
        labels: if record.config.labels.is_nil() {
            std::collections::BTreeMap::new().into()
        } else {
            record.config.labels.clone()
        },
        state: record.life.word().to_owned(),
        status: status(record, Timestamp::now()),
        host_config: SummaryHostConfig {
            network_mode: record.host.network_mode.clone(),
            annotations,
        },
        network_settings: SummaryNetworkSettings {
            networks: settings.networks,
        },
        mounts: record
            .mounts
            .iter()
            .map(super::mounts::MountRecord::to_api)
            .collect(),
        ..ContainerSummary::default()
    }
}

/// The command as a person would read it; arguments with spaces in quotes.
fn command(record: &Record) -> String {
    let quoted = |word: &String| {
        if word.contains(' ') {
            format!("'{word}'")
        } else {
            word.clone()
        }
    };
    std::iter::once(&record.path)
        .chain(&record.args)
        .map(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `Up 2 minutes (Paused)`, `Exited (0) 3 hours ago`.
fn status(record: &Record, now: Timestamp) -> String {
    let ago = |at: Option<Timestamp>| at.map_or_else(String::new, |at| age(now, at));
    match &record.life {
        Life::Created => "Created".to_owned(),
        Life::Running { started, .. } => format!("Up {}", age(now, *started)),
        Life::Paused { started, .. } => format!("Up {} (Paused)", age(now, *started)),
        Life::Restarting { exit } => {
            format!("Restarting ({}) {} ago", exit.code, ago(exit.finished))
        }
        // One that never ran was created and could not be started.
        Life::Exited { exit } if exit.finished.is_none() => "Created".to_owned(),
        Life::Exited { exit } => format!("Exited ({}) {} ago", exit.code, ago(exit.finished)),
        Life::Removing => "Removal In Progress".to_owned(),
        Life::Dead => "Dead".to_owned(),
    }
}

/// go-units' `HumanDuration`.
fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        _ if minutes < 46 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        _ if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / (365 * 24 * 3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_dockers() {
        let now = Timestamp::from_second(2_000_000_000).unwrap();
        let ago = |seconds: i64| {
            age(
                now,
                Timestamp::from_second(2_000_000_000 - seconds).unwrap(),
            )
        };
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3600, "About an hour"),
            (7200, "2 hours"),
            (172_800, "2 days"),
            (1_209_600, "2 weeks"),
            (5_184_000, "2 months"),
        ] {
            assert_eq!(ago(seconds), text);
        }
    }
}
