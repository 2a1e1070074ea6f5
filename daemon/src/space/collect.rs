//! Garbage collection: what nobody uses goes by itself when the disk fills.
//!
//! Above the high watermark things go in the order of what they cost to have again, the one unused for
//! longest first, until the low one is reached: downloads that nobody went on with, what clients sent of what they
//! build, results of builds, and,
//! where it is switched on, images. What was used within the age that is kept, what a container uses and what
//! is to be kept by name stays. Deliberately not here: volumes and containers, which cannot be had again.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gantry_build::PruneFilter;
use gantry_errors::chain;
use gantry_image::{Image, PruneFilter as ImageFilter};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::config::Collection;
use crate::engine::Engine;
use crate::events::{EventKind, images};
use crate::glob;

/// A download that nobody has gone on with for so long is given up when room is wanted.
const DOWNLOAD_AGE: Duration = Duration::from_secs(600);
/// How often the disk is looked at when nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How full a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that can be used without privileges, those in use among them.
    pub total_bytes: u64,
}

impl Disk {
    /// Looks at the file system of `path`.
    ///
    /// # Errors
    /// Whatever the kernel refuses.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self {
            used_bytes: bytes(used),
            total_bytes: bytes(used.saturating_add(found.f_bavail)),
        })
    }

    /// Bytes that are to go: none below the high watermark.
    #[must_use]
    pub fn excess(&self, rules: &Collection) -> u64 {
        let part = |percent: u8| self.total_bytes / 100 * u64::from(percent);
        if rules.high == 0 || self.used_bytes <= part(rules.high) {
            return 0;
        }
        self.used_bytes - part(rules.low)
    }
}

/// Collects whenever the disk is too full, for as long as the engine runs.
pub async fn keep(engine: Arc<Engine>) {
    let mut activity = engine.events.activity();
    loop {
        let at = Arc::clone(&engine);
        // It does not panic.
        drop(tokio::task::spawn_blocking(move || look(&at)).await);
        tokio::select! {
            () = engine.closing.cancelled() => return,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
        tokio::select! {
            () = engine.closing.cancelled() => return,
            _ = activity.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Collects if the disk is too full.
fn look(engine: &Engine) {
    let config = engine.config();
    let rules = &config.collection;
    // A file system that cannot be asked is found out when it is written to.
    let Ok(disk) = Disk::of(&config.data_root) else {
        return;
    };
    let wanted_bytes = disk.excess(rules);
    if wanted_bytes == 0 {
        return;
    }
    let freed_bytes = collect(engine, rules, wanted_bytes);
    if freed_bytes > 0 {
        info!(wanted_bytes, freed_bytes, "collected what nobody uses");
    }
}

/// Removes what nobody uses until `wanted_bytes` are freed. Answers how many were.
pub fn collect(engine: &Engine, rules: &Collection, wanted_bytes: u64) -> u64 {
    let mut freed = engine.images.sweep_partials(DOWNLOAD_AGE.min(rules.age));
    let since = Timestamp::now().checked_sub(rules.age).unwrap_or_default();
    if freed < wanted_bytes {
        freed += contexts(engine, rules.age);
    }
    if freed < wanted_bytes {
        freed += builds(engine, since, wanted_bytes - freed);
    }
    if rules.images && freed < wanted_bytes {
        freed += unused_images(engine, rules, since, wanted_bytes - freed);
    }
    freed
}

/// Bytes of the build cache that pruning frees, of what was not used since then.
pub(super) fn cached(engine: &Engine, unused_since: Option<Timestamp>) -> u64 {
    let is_old =
        |used_ns: i64| unused_since.is_none_or(|since| i128::from(used_ns) < since.as_nanosecond());
    let kept = engine.builds.solver.kept();
    let old = kept
        .iter()
        .filter(|kept| !kept.is_shared && is_old(kept.record.used_ns));
    old.map(|kept| kept.record.size_bytes).sum()
}

/// What clients sent of what they build, and would send again.
fn contexts(engine: &Engine, age: Duration) -> u64 {
    let since = SystemTime::now().checked_sub(age);
    let freed = Cell::new(0);
    let removing = |path: &Path| {
        // What cannot be measured counts for nothing.
        freed.set(freed.get() + gantry_layer::disk_bytes(path, &[]).unwrap_or(0));
    };
    let places = &engine.buildkit.places;
    let since = since.unwrap_or(SystemTime::UNIX_EPOCH);
    if let Err(error) = places.prune_unused_since(since, &removing) {
        warn!(%error, "files of clients cannot be collected");
    }
    freed.get()
}

/// Results of builds.
fn builds(engine: &Engine, since: Timestamp, wanted_bytes: u64) -> u64 {
    let filter = PruneFilter {
        unused_since: Some(since),
        keep_bytes: cached(engine, Some(since)).saturating_sub(wanted_bytes),
        all: false,
    };
    let pruned = engine.builds.solver.prune(&filter);
    if !pruned.keys.is_empty() {
        let reclaimed = ("reclaimed".to_owned(), pruned.freed_bytes.to_string());
        engine
            .events
            .publish(EventKind::Builder, "prune", "", [reclaimed]);
    }
    pruned.freed_bytes
}

/// Images, one after the other.
fn unused_images(engine: &Engine, rules: &Collection, since: Timestamp, wanted_bytes: u64) -> u64 {
    let used_by = |image: &_| engine.census.users_of_image(image);
    let idle = match engine.images.idle(&used_by) {
        Ok(idle) => idle,
        Err(error) => {
            warn!(error = %chain(&error), "images cannot be collected");
            return 0;
        }
    };
    let mut freed = 0;
    for idle in idle {
        let is_old = i128::from(idle.since_ns) <= since.as_nanosecond();
        if freed >= wanted_bytes || !is_old || is_kept(&idle.image, &rules.keep) {
            continue;
        }
        let filter = ImageFilter {
            all: true,
            among: vec![idle.image.id],
            ..ImageFilter::default()
        };
        let labels = images::labels(&engine.images);
        match engine.images.prune(&filter, &used_by) {
            Ok(report) => {
                freed += report.reclaimed_bytes;
                images::removed(&engine.events, &report.removed, &labels);
            }
            Err(error) => warn!(error = %chain(&error), image = %idle.image.id, "not collected"),
        }
    }
    freed
}

/// Whether one of an image's names is to be kept.
fn is_kept(image: &Image, patterns: &[String]) -> bool {
    let names = image.tags.iter().chain(&image.digests);
    let mut names = names.flat_map(|name| [name.familiar(), name.familiar_name()]);
    names.any(|name| {
        let fits = |pattern: &String| glob::matches(pattern, &name).unwrap_or(false);
        patterns.iter().any(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(high: u8, low: u8) -> Collection {
        Collection {
            high,
            low,
            age: Duration::ZERO,
            images: false,
            keep: Vec::new(),
        }
    }

    #[test]
    fn nothing_goes_below_the_high_watermark() {
        let disk = |used_bytes| Disk {
            used_bytes,
            total_bytes: 1000,
        };
        let cases = [
            (disk(900), rules(90, 80), 0),
            (disk(901), rules(90, 80), 101),
            (disk(1000), rules(90, 0), 1000),
            (disk(1000), rules(90, 90), 100),
            (disk(1000), rules(0, 0), 0),
            (disk(1000), rules(100, 50), 0),
        ];
        for (disk, rules, excess) in cases {
            assert_eq!(disk.excess(&rules), excess, "{disk:?} {rules:?}");
        }
    }
}
