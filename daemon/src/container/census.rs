//! The answers to the engine's other parts.

use gantry_engine_api::{
    container::ContainerSummary,
    volume::{UsageData, Volume},
};
use gantry_ids::ImageId;
use gantry_image::ContainerUse;

use super::{list::summarize, registry::Containers, state::Life};
use crate::census::{Census, Counts};

impl Census for Containers {
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for handle in self.handles() {
            let life = &handle.record().life;
            if life.counts_as_running() {
                counts.running += 1;
            } else {
                counts.stopped += 1;
            }
            counts.paused += usize::from(matches!(life, Life::Paused { .. }));
        }
        counts
    }

    fn users_of_image(&self, image: &ImageId) -> Vec<ContainerUse> {
        self.uses_of_image(image)
    }

    fn disk_usage(&self) -> Vec<ContainerSummary> {
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.handles()
            .into_iter()
            .map(|handle| {
                let record = handle.record();
                let mut summary = summarize(&self.parts, &record);
                let rw = self
                    .parts
                    .images
                    .upper_bytes(&self.parts.rw(&record.id))
                    .unwrap_or(0);
                let image = self
                    .parts
                    .images
                    .get(&record.image)
                    .map_or(0, |i| i.size_bytes);
                summary.size_rw = signed(rw);
                summary.size_root_fs = signed(rw.saturating_add(image));
                summary
            })
            .collect()
    }

    fn volumes_usage(&self) -> Vec<Volume> {
        self.parts
            .volumes
            .list()
            .into_iter()
            .map(|record| {
                let users = self.users_of_volume(record.name.as_str()).len();
                let mut volume = self.parts.volumes.to_api(&record);
                volume.usage_data = Some(UsageData {
                    ref_count: i64::try_from(users).unwrap_or(i64::MAX),
                    size: bytes(&self.parts.volumes.path(&record.name)),
                });
                volume
            })
            .collect()
    }
}

/// Bytes of the files beneath a directory; links are not followed.
fn bytes(dir: &std::path::Path) -> i64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|meta| (entry, meta)))
        .map(|(entry, meta)| {
            if meta.is_dir() {
                bytes(&entry.path())
            } else {
                i64::try_from(meta.len()).unwrap_or(0)
            }
        })
        .sum()
}
