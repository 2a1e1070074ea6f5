//! `GET /images/json`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::extract::State;
use gantry_engine_api::image::ImageSummary;
use gantry_engine_api::{ApiVersion, Filters};
use gantry_ids::{ImageId, ImageRef};
use gantry_image::Image;
use http::StatusCode;

use super::{explain, find, platform, wire};
use crate::edge::http::blocking::blocking;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::{Params, Version};
use crate::edge::http::json;
use crate::edge::http::time::parse_age;
use crate::engine::Engine;
use crate::glob;

const FILTERS: &[&str] = &["dangling", "label", "before", "since", "reference", "until"];

pub(super) async fn list(
    State(engine): State<Arc<Engine>>,
    Version(version): Version,
    params: Params,
) -> ApiResult {
    let selection = Selection::new(&engine, &params)?;
    let images = engine.images.list();
    let mut summaries = selection.apply(&images, version)?;
    if version.at_least(51) {
        count_containers(&engine, &mut summaries);
    }
    if params.flag("shared-size") {
        let store = Arc::clone(&engine.images);
        let usage = blocking(move || Ok(store.disk_usage())).await?;
        let shared: HashMap<_, _> = usage
            .images
            .into_iter()
            .map(|u| (u.id.to_string(), u.shared_bytes))
            .collect();
        for summary in &mut summaries {
            summary.shared_size = shared
                .get(&summary.id)
                .map_or(0, |bytes| wire::signed(*bytes));
        }
    }
    let mut answer = serde_json::to_value(&summaries).expect("string keys only");
    if version.at_least(47) && params.flag("manifests") {
        with_manifests(&engine, &mut answer);
    }
    if params.flag("layers") {
        for entry in answer.as_array_mut().into_iter().flatten() {
            let image = find(&engine, entry["Id"].as_str().unwrap_or_default())?;
            entry["Layers"] = explain::layers(&engine, &image).into();
        }
    }
    Ok(json(StatusCode::OK, &answer))
}

/// Says of each image how many containers use it.
fn count_containers(engine: &Engine, summaries: &mut [ImageSummary]) {
    for summary in summaries {
        let id = summary.id.parse::<ImageId>();
        let users = id.map(|id| engine.census.users_of_image(&id).len());
        summary.containers = users.map_or(-1, |users| i64::try_from(users).unwrap_or(i64::MAX));
    }
}

/// Says of each image what its name stands for.
fn with_manifests(engine: &Engine, answer: &mut serde_json::Value) {
    for entry in answer.as_array_mut().into_iter().flatten() {
        let name = entry["RepoTags"][0]
            .as_str()
            .or(entry["RepoDigests"][0].as_str());
        let name = name.or(entry["Id"].as_str()).unwrap_or_default();
        if let Some((descriptor, manifests)) = platform::manifests(engine, name) {
            entry["Descriptor"] = serde_json::to_value(descriptor).expect("string keys only");
            entry["Manifests"] = manifests.into();
        }
    }
}

/// What a client wants to see.
struct Selection {
    filters: Filters,
    all: bool,
    dangling: Option<bool>,
    /// Made before this (seconds since 1970).
    before_s: Option<i64>,
    /// Made after this.
    since_s: Option<i64>,
}

impl Selection {
    fn new(engine: &Engine, params: &Params) -> Result<Self, ApiError> {
        let mut filters = params.filters()?;
        // Before 1.25 a pattern was a parameter of its own.
        if !params.text("filter").is_empty() {
            filters.add("reference", params.text("filter"));
        }
        filters.only(FILTERS).map_err(|e| ApiError::filter(&e))?;
        let made = |name: &str| match filters.get(name).next() {
            Some(image) => Ok::<_, ApiError>(Some(wire::created_s(&*find(engine, image)?))),
            None => Ok(None),
        };
        let (before, since_s) = (made("before")?, made("since")?);
        let until = filters
            .get("until")
            .next()
            .map(|text| parse_age("until", text))
            .transpose()?;
        let until = until.map(|moment| moment.as_ns().div_euclid(1_000_000_000));
        let before_s = [before, until].into_iter().flatten().min();
        let dangling = filters.flag("dangling").map_err(|e| ApiError::filter(&e))?;
        Ok(Self {
            all: params.flag("all"),
            dangling,
            before_s,
            since_s,
            filters,
        })
    }

    fn apply(
        &self,
        images: &[Arc<Image>],
        version: ApiVersion,
    ) -> Result<Vec<ImageSummary>, ApiError> {
        let parents: HashSet<&ImageId> = images.iter().filter_map(|i| i.parent.as_ref()).collect();
        let mut summaries = Vec::new();
        for image in images {
            // Another platform's image is a part of the one that has its name.
            let hidden =
                image.is_variant || !self.all && image.is_dangling() && parents.contains(&image.id);
            if hidden || !self.wants(image) {
                continue;
            }
            if let Some(summary) = self.named(image, version)? {
                summaries.push(summary);
            }
        }
        Ok(summaries)
    }

    fn wants(&self, image: &Image) -> bool {
        let labels = &image.config.run().labels;
        let label = |key: &str| labels.get(key).map(String::as_str);
        let created = wire::created_s(image);
        self.dangling
            .is_none_or(|dangling| dangling == image.is_dangling())
            && self.before_s.is_none_or(|before| created < before)
            && self.since_s.is_none_or(|since| created > since)
            && self.filters.allows_labels("label", label)
    }

    /// The summary with those names that the patterns ask for; none if they ask for others.
    fn named(&self, image: &Image, version: ApiVersion) -> Result<Option<ImageSummary>, ApiError> {
        let mut summary = wire::summary(image, version);
        if self.filters.contains("reference") {
            summary.repo_tags = self.matching(&image.tags)?.into();
            summary.repo_digests = self.matching(&image.digests)?.into();
            if summary.repo_tags.is_empty() && summary.repo_digests.is_empty() {
                return Ok(None);
            }
        }
        if !version.at_least(43) && summary.repo_tags.is_empty() && summary.repo_digests.is_empty()
        {
            summary.repo_tags.push("<none>:<none>".to_owned());
            summary.repo_digests.push("<none>@<none>".to_owned());
        }
        Ok(Some(summary))
    }

    fn matching(&self, references: &[ImageRef]) -> Result<Vec<String>, ApiError> {
        let mut found = Vec::new();
        for reference in references {
            for pattern in self.filters.get("reference") {
                let names = [reference.familiar(), reference.familiar_name()];
                for name in &names {
                    let hit = glob::matches(pattern, name)
                        .ok_or_else(|| ApiError::invalid("syntax error in pattern"))?;
                    if hit && !found.contains(&names[0]) {
                        found.push(names[0].clone());
                    }
                }
            }
        }
        Ok(found)
    }
}
