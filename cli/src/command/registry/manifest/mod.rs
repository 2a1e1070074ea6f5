//! `gantry manifest`: lists of manifests, made here and pushed to a registry.
//!
//! Lists on their way are kept where docker's command line keeps them (`store.rs`), so that each of the two
//! goes on with what the other began. Registries are asked by the engine, by ways that Gantry's alone has.

mod annotate;
mod create;
mod inspect;
mod push;
mod rm;
mod store;

use anyhow::Result;
use gantry_ids::{ImageRef, ReferenceError};

use crate::dispatch::{Arity, Verb};

pub(in crate::command) const VERBS: &[Verb] = &[
    Verb::new::<annotate::AnnotateManifest>(
        &["manifest annotate"],
        "[OPTIONS] MANIFEST_LIST MANIFEST",
        "Add additional information to a local image manifest",
        Arity::Exactly(2),
    ),
    Verb::new::<create::CreateManifest>(
        &["manifest create"],
        "MANIFEST_LIST MANIFEST [MANIFEST...]",
        "Create a local manifest list for annotating and pushing to a registry",
        Arity::AtLeast(2),
    ),
    Verb::new::<inspect::InspectManifest>(
        &["manifest inspect"],
        "[OPTIONS] [MANIFEST_LIST] MANIFEST",
        "Display an image manifest, or manifest list",
        Arity::AtLeast(1),
    ),
    Verb::new::<push::PushManifest>(
        &["manifest push"],
        "[OPTIONS] MANIFEST_LIST",
        "Push a manifest list to a repository",
        Arity::Exactly(1),
    ),
    Verb::new::<rm::RemoveManifest>(
        &["manifest rm"],
        "MANIFEST_LIST [MANIFEST_LIST...]",
        "Delete one or more manifest lists from local storage",
        Arity::AtLeast(1),
    ),
];

/// A name as it is meant: with its registry and a tag.
fn named(text: &str) -> Result<ImageRef, ReferenceError> {
    text.parse().map(|name: ImageRef| name.with_default_tag())
}

/// A document as docker prints it.
fn pretty(value: &serde_json::Value, indent: &[u8]) -> Result<String> {
    use serde::Serialize;
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
    value.serialize(&mut serializer)?;
    Ok(String::from_utf8(bytes)?)
}
