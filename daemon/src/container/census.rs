//! The answers to the engine's other parts.

use std::fs::DirEntry;
use std::path::Path;
use std::sync::Arc;

use gantry_engine_api::{
    container::ContainerSummary,
    volume::{UsageData, Volume},
};
use gantry_ids::ImageId;
use gantry_image::ContainerUse;
use gantry_layer::disk_bytes;

use super::{model::Record, registry::Containers, state::Life, summary::Summaries};
use crate::census::{Census, Counts};

impl Census for Containers {
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for record in self.records() {
            let life = &record.life;
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
        let mut summaries = Summaries::new(&self.parts);
        let measure = |record: Arc<Record>| {
            let dir = self.parts.dir(&record.id);
            let image = self.parts.images.get(&record.image);
            let image = image.map_or(0, |image| image.size_bytes);
            let taken = disk_bytes(&dir, &[]).unwrap_or(0);
            ContainerSummary {
                size_rw: signed(taken),
                size_root_fs: signed(taken.saturating_add(image)),
                size_log: Some(signed(log_bytes(&dir, &format!("{}-json.log", record.id)))),
                ..summaries.of(&record)
            }
        };
        self.records().into_iter().map(measure).collect()
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
                    size: signed(volume_bytes(&self.parts.volumes.path(&record.name))),
                });
                volume
            })
            .collect()
    }
}

/// What a volume takes on the disk, the folder around its files included.
fn volume_bytes(data: &Path) -> u64 {
    disk_bytes(data.parent().unwrap_or(data), &[]).unwrap_or(0)
}

/// What a log takes on the disk: the live file and the rotated ones, which have its name as a beginning.
fn log_bytes(dir: &Path, name: &str) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let of_log = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(name);
    let files = entries.filter(of_log);
    files
        .map(|entry| disk_bytes(&entry.path(), &[]).unwrap_or(0))
        .sum()
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
