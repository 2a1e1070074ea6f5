//! Media types of manifests, configurations and layers (image-spec and docker's schema 2). Pure.

use gantry_layer::Packing;

/// Docker's manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's list of manifests by platform.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The image-spec's manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The image-spec's index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// The image-spec's image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's gzip-compressed layer.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// The image-spec's gzip-compressed layer.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Docker's word for a layer that is compressed so, or the image-spec's where it has none.
pub(crate) const fn docker_layer(packing: Packing) -> &'static str {
    match packing {
        Packing::None => "application/vnd.docker.image.rootfs.diff.tar",
        Packing::Gzip(_) => DOCKER_LAYER,
        Packing::Zstd(_) => packing.media_type(),
    }
}

/// What a request for a manifest accepts.
pub const ACCEPT: [&str; 4] = [DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX];

/// Docker's first manifests, signed or not: nobody makes them any more.
pub(crate) fn is_schema_1(media: &str) -> bool {
    matches!(
        media,
        "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws"
    )
}

/// Whether this is a layer of an image, compressed by whatever.
pub(crate) fn is_layer(media: &str) -> bool {
    let base = media.split(';').next().unwrap_or_default().trim();
    let oci = "application/vnd.oci.image.layer.";
    let docker = "application/vnd.docker.image.rootfs.";
    base.strip_prefix(oci).is_some_and(|rest| {
        let rest = rest.strip_prefix("nondistributable.").unwrap_or(rest);
        matches!(rest, "v1.tar" | "v1.tar+gzip" | "v1.tar+zstd")
    }) || base.strip_prefix(docker).is_some_and(|rest| {
        matches!(
            rest,
            "diff.tar"
                | "diff.tar.gzip"
                | "diff.tar.zstd"
                | "foreign.diff.tar"
                | "foreign.diff.tar.gzip"
        )
    })
}

/// Whether the layer may only be fetched from where its descriptor says.
pub(crate) fn is_foreign(media: &str) -> bool {
    media.contains(".nondistributable.") || media.contains(".foreign.")
}

/// Whether this is an image's configuration.
pub(crate) fn is_config(media: &str) -> bool {
    // Some builders leave docker's older word for it.
    matches!(
        media,
        DOCKER_CONFIG
            | OCI_CONFIG
            | "application/octet-stream"
            | "application/json"
            | "text/html"
            | ""
    )
}

/// The word of the other family for a layer, so that a manifest speaks one language.
pub(crate) fn in_family(media: &str, is_oci: bool) -> &str {
    match (media, is_oci) {
        (DOCKER_LAYER, true) => OCI_LAYER,
        (OCI_LAYER, false) => DOCKER_LAYER,
        ("application/vnd.docker.image.rootfs.diff.tar", true) => {
            "application/vnd.oci.image.layer.v1.tar"
        }
        ("application/vnd.oci.image.layer.v1.tar", false) => {
            "application/vnd.docker.image.rootfs.diff.tar"
        }
        (other, _) => other,
    }
}
