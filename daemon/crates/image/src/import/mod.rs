//! `import`: one image from one tar of a root filesystem.

mod change;
mod words;

pub use change::apply_changes;

use gantry_ids::{ImageRef, Platform};

use crate::{ConfigFile, HistoryEntry, ImageError};

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

/// A platform that images can be made for here.
fn own(text: &str) -> Result<Platform, ImageError> {
    let bad = || ImageError::BadPlatform(text.chars().take(80).collect());
    let platform: Platform = text.parse().map_err(|_| bad())?;
    if platform.os == "linux" {
        Ok(platform)
    } else {
        Err(bad())
    }
}

/// The configuration of an imported image, all but its layer.
pub(crate) fn configuration(request: &ImportRequest) -> Result<ConfigFile, ImageError> {
    let platform = match request.platform.as_deref() {
        None | Some("") => Platform {
            variant: String::new(),
            ..Platform::of_this_machine()
        },
        Some(text) => own(text)?,
    };
    let now = Some(jiff::Timestamp::now().to_string());
    let comment = match request.message.as_str() {
        "" => "Imported from -".to_owned(),
        message => message.to_owned(),
    };
    let mut file = ConfigFile {
        architecture: platform.architecture,
        comment: comment.clone(),
        created: now.clone(),
        history: vec![HistoryEntry {
            created: now,
            comment,
            ..HistoryEntry::default()
        }],
        os: platform.os,
        variant: platform.variant,
        ..ConfigFile::default()
    };
    apply_changes(&mut file.config, &request.changes)?;
    Ok(file)
}
