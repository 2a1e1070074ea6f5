//! `import`: one image from one tar of a root filesystem.

use gantry_ids::ImageRef;

/// What `docker import` may say beside the tar.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// The name the image gets.
    pub reference: Option<ImageRef>,
    /// Dockerfile instructions (`CMD`, `ENTRYPOINT`, `ENV`, `EXPOSE`, `HEALTHCHECK`, `LABEL`,
    /// `ONBUILD`, `STOPSIGNAL`, `USER`, `VOLUME`, `WORKDIR`).
    pub changes: Vec<String>,
    /// The comment; docker's default is `Imported from -`.
    pub message: String,
    /// `os[/architecture[/variant]]`; this machine's if none.
    pub platform: Option<String>,
}
