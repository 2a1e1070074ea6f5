//! Between an image's configuration and the language's settings, and the configuration of what was
//! built, with the history as BuildKit writes it.

use std::sync::Arc;

use gantry_dockerfile::{Healthcheck, Platform, Settings};
use gantry_image::{ConfigFile, DiffId, HistoryEntry, ImageConfig, RunConfig};
use jiff::Timestamp;

/// What BuildKit says about each step it adds.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// What it says about a layer that no step made.
const FOLDER_COMMENT: &str = "buildkit.exporter.image.v0";

/// The settings that an image starts a stage with.
pub(super) fn settings(config: &ImageConfig) -> Settings {
    let (file, run) = (config.file(), config.run());
    let platform = Platform::new(&file.os, &file.architecture, &file.variant).normalized();
    Settings {
        author: file.author.clone(),
        env: run.env.clone(),
        user: run.user.clone(),
        working_dir: run.working_dir.clone(),
        entrypoint: run.entrypoint.clone(),
        cmd: run.cmd.clone(),
        args_escaped: run.args_escaped,
        labels: run.labels.clone(),
        exposed_ports: run.exposed_ports.keys().cloned().collect(),
        volumes: run.volumes.keys().cloned().collect(),
        healthcheck: run.healthcheck.as_ref().map(|check| Healthcheck {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        }),
        onbuild: run.on_build.clone(),
        shell: run.shell.clone(),
        stop_signal: run.stop_signal.clone(),
        platform: (!file.os.is_empty()).then_some(platform),
        history: Vec::new(),
    }
}

/// What an image is made of.
#[derive(Debug)]
pub(super) struct Built<'a> {
    /// The configuration it started from; none from scratch.
    pub(super) base: Option<&'a Arc<ImageConfig>>,
    /// What its first layer was made of, if it started from files.
    pub(super) folder: Option<String>,
    /// The settings at the end, with the history that was added.
    pub(super) settings: &'a Settings,
    /// The layers that were added, with the time each was made.
    pub(super) layers: &'a [(DiffId, Timestamp)],
    /// The platform, where the base does not say.
    pub(super) platform: &'a Platform,
    /// `SOURCE_DATE_EPOCH`.
    pub(super) epoch: Option<Timestamp>,
}

/// The configuration.
pub(super) fn write(built: &Built<'_>) -> ImageConfig {
    let base = built.base.map(|config| config.file());
    let mut file = ConfigFile {
        config: run_config(built.settings, base.map(|file| &file.config)),
        author: built.settings.author.clone(),
        ..base.cloned().unwrap_or_default()
    };
    file.comment.clear();
    file.docker_version.clear();
    if file.os.is_empty() {
        file.os.clone_from(&built.platform.os);
        file.architecture.clone_from(&built.platform.architecture);
        file.variant.clone_from(&built.platform.variant);
    }
    let diffs = built.layers.iter().map(|(diff, _)| *diff);
    file.rootfs.diff_ids.extend(diffs);
    file.history = history(base, built);
    file.created = file.history.last().and_then(|last| last.created.clone());
    ImageConfig::from_file(file)
}

/// The steps of the base, then those that were added. A step with a layer has the layer's time, one
/// without that of the layer before it, or of the first one behind it.
fn history(base: Option<&ConfigFile>, built: &Built<'_>) -> Vec<HistoryEntry> {
    let mut steps = base.map(|file| file.history.clone()).unwrap_or_default();
    let mut layers = built.layers.iter();
    if let Some(folder) = &built.folder {
        steps.push(HistoryEntry {
            created: layers.next().map(|(_, time)| time.to_string()),
            created_by: folder.clone(),
            comment: FOLDER_COMMENT.to_owned(),
            ..HistoryEntry::default()
        });
    }
    for step in &built.settings.history {
        let time = (!step.empty_layer)
            .then(|| layers.next())
            .flatten()
            .map(|(_, time)| time.to_string());
        steps.push(HistoryEntry {
            created: time,
            created_by: step.created_by.clone(),
            comment: COMMENT.to_owned(),
            empty_layer: step.empty_layer,
            ..HistoryEntry::default()
        });
    }
    let first_gap = steps.iter().position(|step| step.created.is_none());
    let known_before = steps[..first_gap.unwrap_or(0)].last();
    let first_new =
        first_gap.and_then(|gap| steps[gap..].iter().find_map(|step| step.created.clone()));
    let mut time = first_new.or_else(|| known_before.and_then(|step| step.created.clone()));
    for step in steps.iter_mut().skip(first_gap.unwrap_or(usize::MAX)) {
        match &step.created {
            Some(own) => time = Some(own.clone()),
            None => step.created.clone_from(&time),
        }
    }
    if let Some(epoch) = built.epoch {
        for step in &mut steps {
            let own = step
                .created
                .as_deref()
                .and_then(|own| own.parse::<Timestamp>().ok());
            if own.is_none_or(|own| own > epoch) {
                step.created = Some(epoch.to_string());
            }
        }
    }
    steps
}

fn run_config(settings: &Settings, base: Option<&RunConfig>) -> RunConfig {
    let set = |names: &std::collections::BTreeSet<String>| {
        let each = names.iter().map(|name| (name.clone(), Default::default()));
        each.collect()
    };
    RunConfig {
        user: settings.user.clone(),
        exposed_ports: set(&settings.exposed_ports),
        env: settings.env.clone(),
        entrypoint: settings.entrypoint.clone(),
        cmd: settings.cmd.clone(),
        healthcheck: settings
            .healthcheck
            .as_ref()
            .map(|check| gantry_image::Healthcheck {
                test: check.test.clone(),
                interval: check.interval,
                timeout: check.timeout,
                start_period: check.start_period,
                start_interval: check.start_interval,
                retries: check.retries,
            }),
        args_escaped: settings.args_escaped,
        volumes: set(&settings.volumes),
        working_dir: settings.working_dir.clone(),
        on_build: settings.onbuild.clone(),
        labels: settings.labels.clone(),
        stop_signal: settings.stop_signal.clone(),
        stop_timeout: base.and_then(|base| base.stop_timeout),
        shell: settings.shell.clone(),
    }
}
