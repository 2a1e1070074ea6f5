//! What is known of a build's pieces of work: their names, order, times and ends.

use std::collections::HashMap;
use std::fmt::Write;

use gantry_engine_api::build::{BuildEvent, How};

/// How long a name in a summary may be, characters.
const NAME_CHARS: usize = 60;

/// A piece of work.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) name: String,
    /// Its number in the order of beginnings, from 1; 0 before it begins.
    pub(super) number: usize,
    pub(super) began_ns: i64,
    pub(super) ended_ns: i64,
    pub(super) how: Option<How>,
}

impl Work {
    /// How long it took, or has taken until `now_ns`.
    pub(super) fn seconds(&self, now_ns: i64) -> f64 {
        let end = if self.how.is_some() {
            self.ended_ns
        } else {
            now_ns
        };
        seconds(end - self.began_ns)
    }

    /// Whether it is a step of the Dockerfile, not the builder's own work.
    fn is_step(&self) -> bool {
        self.name.starts_with('[') && !self.name.starts_with("[internal]")
    }
}

/// All pieces of work.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    all: HashMap<String, Work>,
    begun: usize,
}

impl Ledger {
    /// Takes what an event says of pieces of work.
    pub(super) fn take(&mut self, event: &BuildEvent) {
        match event {
            BuildEvent::Vertex { vertex, name } => {
                self.all
                    .entry(vertex.clone())
                    .or_default()
                    .name
                    .clone_from(name);
            }
            BuildEvent::Began { vertex, at_ns } => {
                self.begun += 1;
                let work = self.all.entry(vertex.clone()).or_default();
                (work.number, work.began_ns) = (self.begun, *at_ns);
            }
            BuildEvent::Ended { vertex, at_ns, how } => {
                let work = self.all.entry(vertex.clone()).or_default();
                work.ended_ns = *at_ns;
                work.how = Some(how.clone());
            }
            BuildEvent::Status { .. }
            | BuildEvent::Log { .. }
            | BuildEvent::Warning { .. }
            | BuildEvent::Excerpt { .. }
            | BuildEvent::Shell { .. }
            | BuildEvent::Files { .. } => {}
        }
    }

    /// Whether anything has been told: engines that tell no events leave it empty.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun > 0
    }

    pub(super) fn get(&self, vertex: &str) -> Option<&Work> {
        self.all.get(vertex)
    }

    /// What goes on, the oldest first.
    pub(super) fn running(&self) -> Vec<(&str, &Work)> {
        let all = self.all.iter();
        let running = all.filter(|(_, work)| work.number > 0 && work.how.is_none());
        let mut running: Vec<_> = running
            .map(|(vertex, work)| (vertex.as_str(), work))
            .collect();
        running.sort_by_key(|(_, work)| work.number);
        running
    }

    /// Where the time went: `5 steps, 3 cached, 1.2s; longest: [2/4] RUN make 0.9s`.
    pub(super) fn summary(&self) -> String {
        let done: Vec<&Work> = self
            .all
            .values()
            .filter(|work| work.how.is_some())
            .collect();
        let steps: Vec<&&Work> = done.iter().filter(|work| work.is_step()).collect();
        let cached = steps
            .iter()
            .filter(|work| work.how == Some(How::Cached))
            .count();
        let first = done.iter().map(|work| work.began_ns).min().unwrap_or(0);
        let last = done.iter().map(|work| work.ended_ns).max().unwrap_or(0);
        let mut text = format!(
            "{} step{}, {cached} cached, {:.1}s",
            steps.len(),
            if steps.len() == 1 { "" } else { "s" },
            seconds(last - first)
        );
        let made = steps.iter().filter(|work| work.how == Some(How::Done));
        let longest = made.max_by_key(|work| work.ended_ns - work.began_ns);
        if let Some(longest) = longest {
            let _ = write!(
                text,
                "; longest: {} {:.1}s",
                short(&longest.name),
                longest.seconds(0)
            );
        }
        text
    }
}

/// A name that fits beside other words, its spaces single.
fn short(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join(" ");
    if name.chars().count() <= NAME_CHARS {
        return name;
    }
    let start: String = name.chars().take(NAME_CHARS - 1).collect();
    format!("{start}…")
}

fn seconds(ns: i64) -> f64 {
    std::time::Duration::from_nanos(u64::try_from(ns).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_where_time_went() {
        let mut ledger = Ledger::default();
        let mut work = |name: &str, from: i64, to: i64, how: How| {
            let vertex = name.to_owned();
            ledger.take(&BuildEvent::Vertex {
                vertex: vertex.clone(),
                name: vertex.clone(),
            });
            ledger.take(&BuildEvent::Began {
                vertex: vertex.clone(),
                at_ns: from,
            });
            ledger.take(&BuildEvent::Ended {
                vertex,
                at_ns: to,
                how,
            });
        };
        work("[internal] load build context", 0, 100_000_000, How::Done);
        work("[1/3] FROM busybox", 100_000_000, 100_000_000, How::Cached);
        work("[2/3] RUN make", 100_000_000, 2_100_000_000, How::Done);
        work("[3/3] COPY a b", 2_100_000_000, 2_500_000_000, How::Done);
        assert_eq!(
            ledger.summary(),
            "3 steps, 1 cached, 2.5s; longest: [2/3] RUN make 2.0s"
        );
        assert!(ledger.running().is_empty());
        assert_eq!(short("[1/1]  RUN   make"), "[1/1] RUN make");
        assert_eq!(short(&"x".repeat(61)), format!("{}…", "x".repeat(59)));
        ledger.take(&BuildEvent::Began {
            vertex: "[4/4]".to_owned(),
            at_ns: 3,
        });
        assert_eq!(ledger.running().len(), 1);
    }
}
