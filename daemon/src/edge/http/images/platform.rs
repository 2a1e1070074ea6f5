//! `platform` of a query, and the images of several platforms in the API's words.

use gantry_engine_api::image::{Descriptor, Platform as WirePlatform};
use gantry_ids::{Digest, Platform};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::signed;
use crate::edge::http::error::ApiError;
use crate::edge::http::extract::Params;
use crate::engine::Engine;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    os: String,
    architecture: String,
    variant: String,
    #[serde(rename = "os.version")]
    os_version: String,
    #[serde(rename = "os.features")]
    os_features: Vec<String>,
}

/// The platform that a query's `platform` asks for, as JSON.
pub(super) fn asked(params: &Params) -> Result<Option<Platform>, ApiError> {
    let text = params.text("platform");
    if text.is_empty() {
        return Ok(None);
    }
    let asked: Asked = serde_json::from_str(text)
        .map_err(|error| ApiError::invalid(format!("failed to parse platform: {error}")))?;
    let has_more =
        !asked.variant.is_empty() || !asked.os_version.is_empty() || !asked.os_features.is_empty();
    if asked.os.is_empty() && asked.architecture.is_empty() && has_more {
        return Err(ApiError::invalid(
            "optional platform fields provided, but OS and Architecture are missing",
        ));
    }
    if asked.os.is_empty() || asked.architecture.is_empty() {
        return Err(ApiError::invalid(
            "both OS and Architecture must be provided",
        ));
    }
    Ok(Some(Platform {
        os: asked.os,
        architecture: asked.architecture,
        variant: asked.variant,
    }))
}

/// A manifest or index that is kept, and what it says of itself.
struct Kept {
    descriptor: Descriptor,
    manifests: Vec<Listed>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(default)]
    manifests: Option<Vec<Listed>>,
}

/// What an index lists.
#[derive(Deserialize)]
struct Listed {
    digest: Digest,
    #[serde(flatten)]
    descriptor: serde_json::Map<String, Value>,
}

fn kept(engine: &Engine, digest: &Digest) -> Option<Kept> {
    let bytes = engine.images.manifest(digest).ok()??;
    let document: Document = serde_json::from_slice(&bytes).ok()?;
    let default = match document.manifests {
        Some(_) => "application/vnd.oci.image.index.v1+json",
        None => "application/vnd.oci.image.manifest.v1+json",
    };
    Some(Kept {
        descriptor: Descriptor {
            media_type: match document.media_type.is_empty() {
                true => default.to_owned(),
                false => document.media_type,
            },
            digest: digest.to_string(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            ..Descriptor::default()
        },
        manifests: document.manifests.unwrap_or_default(),
    })
}

/// `Descriptor` and `Manifests` of an image: what its name stands for, and the images of all
/// platforms that it lists.
pub(super) fn manifests(engine: &Engine, text: &str) -> Option<(Descriptor, Vec<Value>)> {
    if let Some((_, variants)) = engine.images.variants_of(text) {
        let index = kept(engine, &variants.index)?;
        let all = index.manifests.into_iter().map(|listed| {
            let image = variants
                .images
                .iter()
                .find(|one| one.manifest == listed.digest);
            let image = image.and_then(|one| engine.images.get(&one.image));
            summary(&listed.digest, listed.descriptor, image.as_deref(), engine)
        });
        return Some((index.descriptor, all.collect()));
    }
    let image = engine.images.find(text).ok()?;
    let (digest, _) = image.manifest?;
    let only = kept(engine, &digest)?;
    let Ok(Value::Object(descriptor)) = serde_json::to_value(&only.descriptor) else {
        return None;
    };
    let one = summary(&digest, descriptor, Some(&image), engine);
    Some((only.descriptor, vec![one]))
}

fn summary(
    digest: &Digest,
    mut descriptor: serde_json::Map<String, Value>,
    image: Option<&gantry_image::Image>,
    engine: &Engine,
) -> Value {
    descriptor.insert("digest".to_owned(), json!(digest));
    let of = descriptor
        .get("annotations")
        .and_then(|all| all.get("vnd.docker.reference.digest"))
        .cloned();
    let is_attestation = descriptor
        .get("annotations")
        .and_then(|all| all.get("vnd.docker.reference.type"))
        .is_some_and(|kind| kind == "attestation-manifest");
    let content = image.map_or(0, |image| signed(image.size_bytes));
    let mut entry = json!({
        "ID": digest,
        "Descriptor": descriptor,
        "Available": image.is_some(),
        "Size": {"Content": content, "Total": content},
        "Kind": if is_attestation { "attestation" } else { "image" },
    });
    if is_attestation {
        entry["AttestationData"] = json!({"For": of});
        return entry;
    }
    let platform = image.map(gantry_image::Image::platform);
    let platform = match platform {
        Some(platform) => json!(wire(&platform)),
        None => descriptor_platform(&entry),
    };
    let containers: Vec<_> = image
        .map(|image| engine.census.users_of_image(&image.id))
        .unwrap_or_default()
        .into_iter()
        .map(|user| user.id.to_string())
        .collect();
    entry["ImageData"] = json!({
        "Platform": platform,
        "Containers": containers,
        "Size": {"Unpacked": content},
    });
    entry
}

fn descriptor_platform(entry: &Value) -> Value {
    let platform = entry["Descriptor"].get("platform").cloned();
    platform.unwrap_or_else(|| json!({"architecture": "", "os": ""}))
}

fn wire(platform: &Platform) -> WirePlatform {
    WirePlatform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
        ..WirePlatform::default()
    }
}
