//! A container as one entry of a list, in the API's shape.

use std::collections::BTreeMap;

use gantry_engine_api::{
    List,
    container::{ContainerSummary, SummaryHostConfig, SummaryNetworkSettings},
    port::{PortMap, PortSummary},
};
use gantry_ids::ImageId;
use jiff::Timestamp;

use super::{
    inspect::{networks, ports},
    model::Record,
    registry::Parts,
    state::Life,
};

/// Describes containers one after another, at one moment.
#[derive(Debug)]
pub(super) struct Summaries<'a> {
    parts: &'a Parts,
    now: Timestamp,
    /// What the names of images mean, as far as it was looked up: many containers have the same.
    images: BTreeMap<String, Option<ImageId>>,
}

impl<'a> Summaries<'a> {
    pub(super) fn new(parts: &'a Parts) -> Self {
        Self {
            parts,
            now: Timestamp::now(),
            images: BTreeMap::new(),
        }
    }

    /// One line of the list.
    pub(super) fn of(&mut self, record: &Record) -> ContainerSummary {
        let networks = networks(self.parts, record);
        ContainerSummary {
            id: record.id.to_string(),
            names: List::from(vec![record.name.with_slash()]),
            image: if self.image(&record.config.image) == Some(record.image) {
                record.config.image.clone()
            } else {
                record.image.to_string()
            },
            image_id: record.image.to_string(),
            command: command(record),
            created: record.created.as_second(),
            ports: published(&ports(self.parts, record)).into(),
            labels: if record.config.labels.is_nil() {
                BTreeMap::new().into()
            } else {
                record.config.labels.clone()
            },
            state: record.life.word().to_owned(),
            status: status(record, self.now),
            host_config: SummaryHostConfig {
                network_mode: record.host.network_mode.clone(),
                annotations: record.host.annotations.clone(),
            },
            network_settings: SummaryNetworkSettings { networks },
            mounts: record
                .mounts
                .iter()
                .map(super::mounts::MountRecord::to_api)
                .collect(),
            ..ContainerSummary::default()
        }
    }

    /// The image that a name means now.
    fn image(&mut self, name: &str) -> Option<ImageId> {
        if let Some(known) = self.images.get(name) {
            return *known;
        }
        let found = self.parts.images.find(name).ok().map(|image| image.id);
        self.images.insert(name.to_owned(), found);
        found
    }
}

/// Ports in the order of `docker ps`.
fn published(ports: &PortMap) -> Vec<PortSummary> {
    let mut all: Vec<PortSummary> = Vec::new();
    for (port, bindings) in ports.iter() {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let private_port = number.parse().unwrap_or(0);
        let protocol = protocol.to_owned();
        if bindings.is_empty() {
            all.push(PortSummary {
                private_port,
                protocol: protocol.clone(),
                ..Default::default()
            });
        }
        all.extend(bindings.iter().map(|binding| PortSummary {
            ip: binding.host_ip.clone(),
            private_port,
            public_port: binding.host_port.parse().unwrap_or(0),
            protocol: protocol.clone(),
            reach: binding.reach.clone(),
        }));
    }
    all.sort();
    all
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
