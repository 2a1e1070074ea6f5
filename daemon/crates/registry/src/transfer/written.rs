//! The manifest of an image that was pushed: the one it came with, or a new one.

use bytes::Bytes;
use gantry_ids::Digest;
use gantry_image::Image;
use serde::Serialize;

use super::push::PushedLayer;
use crate::manifest::Manifest;
use crate::media;

/// The manifest the image came with, if its layers are the ones that were pushed, or a new one.
pub(super) fn manifest_for(
    own: Option<(Manifest, Bytes)>,
    image: &Image,
    layers: &[PushedLayer],
) -> (String, Bytes) {
    let is_oci = own
        .as_ref()
        .is_some_and(|(own, _)| own.media_type == media::OCI_MANIFEST);
    if let Some((own, bytes)) = own {
        let mut both = own.layers.iter().zip(layers);
        if both.all(|(descriptor, layer)| descriptor.digest == layer.blob.digest) {
            return (own.media_type, bytes);
        }
    }
    write(image, layers, is_oci)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: NewDescriptor<'a>,
    layers: Vec<NewDescriptor<'a>>,
}

/// In the order in which docker writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewDescriptor<'a> {
    media_type: &'a str,
    size: u64,
    digest: Digest,
}

/// A new manifest, indented by three blanks as docker's are.
fn write(image: &Image, layers: &[PushedLayer], is_oci: bool) -> (String, Bytes) {
    // A layer that docker's media types have no word for.
    let is_oci = is_oci || layers.iter().any(|layer| layer.media_type.contains("zstd"));
    let (media_type, config) = if is_oci {
        (media::OCI_MANIFEST, media::OCI_CONFIG)
    } else {
        (media::DOCKER_MANIFEST, media::DOCKER_CONFIG)
    };
    let layers = layers.iter().map(|layer| NewDescriptor {
        media_type: media::in_family(&layer.media_type, is_oci),
        size: layer.blob.size_bytes,
        digest: layer.blob.digest,
    });
    let manifest = NewManifest {
        schema_version: 2,
        media_type,
        config: NewDescriptor {
            media_type: config,
            size: image.config.raw().len() as u64,
            digest: *image.id.digest(),
        },
        layers: layers.collect(),
    };
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
    manifest
        .serialize(&mut serializer)
        .expect("plain fields into memory");
    (media_type.to_owned(), bytes.into())
}
