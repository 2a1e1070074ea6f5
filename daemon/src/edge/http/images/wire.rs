//! Images in the API's words.

use gantry_engine_api::container::{GraphDriver, NEVER};
use gantry_engine_api::image::{ImageConfig, ImageInspect, ImageMetadata, ImageSummary, RootFs};
use gantry_engine_api::{ApiVersion, ContainerConfig, List, Map, json};
use gantry_ids::ImageRef;
use gantry_image::Image;
use jiff::Timestamp;
use serde_json::Value;

/// A size on the wire.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// References as people write them; never null.
pub(super) fn familiar(references: &[ImageRef]) -> List<String> {
    references.iter().map(ImageRef::familiar).collect()
}

/// When the image was made, in seconds since 1970; 0 if it does not say.
pub(super) fn created_s(image: &Image) -> i64 {
    let created = image.config.file().created.as_deref();
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    created.map_or(0, Timestamp::as_second)
}

/// An entry of the list.
pub(in crate::edge::http) fn summary(image: &Image, version: ApiVersion) -> ImageSummary {
    let labels = &image.config.run().labels;
    let size = signed(image.size_bytes);
    ImageSummary {
        containers: -1,
        created: created_s(image),
        id: image.id.to_string(),
        labels: if labels.is_empty() {
            Map::default()
        } else {
            labels.clone().into()
        },
        parent_id: image
            .parent
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        repo_digests: familiar(&image.digests),
        repo_tags: familiar(&image.tags),
        shared_size: -1,
        size,
        virtual_size: (!version.at_least(44)).then_some(size),
        ..ImageSummary::default()
    }
}

/// The answer of inspect. Until 1.49 `Config` also had the fields that only containers have.
pub(super) fn inspect(image: &Image, version: ApiVersion) -> Value {
    let mut value = serde_json::to_value(describe(image, version)).expect("string keys only");
    if !version.at_least(50) {
        let run = serde_json::to_value(image.config.run()).expect("string keys only");
        let config: ContainerConfig = json::from_value(&run).unwrap_or_default();
        value["Config"] = serde_json::to_value(config).expect("string keys only");
    }
    value
}

fn describe(image: &Image, version: ApiVersion) -> ImageInspect {
    let file = image.config.file();
    let run = serde_json::to_value(image.config.run()).expect("string keys only");
    let size = signed(image.size_bytes);
    let tagged = image
        .last_tagged_ns
        .and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    ImageInspect {
        id: image.id.to_string(),
        repo_tags: familiar(&image.tags),
        repo_digests: familiar(&image.digests),
        parent: image
            .parent
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        comment: file.comment.clone(),
        created: file.created.clone(),
        docker_version: file.docker_version.clone(),
        author: file.author.clone(),
        config: json::from_value::<ImageConfig>(&run).ok(),
        architecture: file.architecture.clone(),
        variant: file.variant.clone(),
        os: file.os.clone(),
        os_version: file.os_version.clone(),
        size,
        virtual_size: (!version.at_least(44)).then_some(size),
        graph_driver: Some(graph_driver(image)),
        root_fs: RootFs {
            kind: "layers".to_owned(),
            layers: file
                .rootfs
                .diff_ids
                .iter()
                .map(ToString::to_string)
                .collect(),
        },
        metadata: ImageMetadata {
            last_tag_time: tagged.map_or_else(|| NEVER.to_owned(), |time| time.to_string()),
        },
        ..ImageInspect::default()
    }
}

/// The layers' directories, as overlay2 tells them.
fn graph_driver(image: &Image) -> GraphDriver {
    let mut dirs = image.layer_dirs.iter().map(|dir| dir.display().to_string());
    let mut data = Map::empty();
    if let Some(top) = dirs.next() {
        data.insert("UpperDir".to_owned(), top);
    }
    let lower: Vec<_> = dirs.collect();
    if !lower.is_empty() {
        data.insert("LowerDir".to_owned(), lower.join(":"));
    }
    GraphDriver {
        data,
        name: "overlay2".to_owned(),
    }
}
