//! `POST /images/create?fromImage=…`.

use anyhow::Result;
use gantry_ids::ImageRef;

use super::messages::{To, show};
use crate::context::Context;
use crate::credentials::header_for;

/// Pulls an image, or all tags of a repository where the name has none.
pub(crate) async fn pull(
    cx: &Context,
    name: &ImageRef,
    platform: Option<&str>,
    quiet: bool,
    to: To,
) -> Result<()> {
    let tag = match (name.digest(), name.tag()) {
        (Some(digest), _) => Some(digest.to_string()),
        (None, tag) => tag.map(str::to_owned),
    };
    let reply = cx
        .client()
        .post("/images/create")
        .query("fromImage", name.familiar_name())
        .maybe("tag", tag)
        .maybe("platform", platform)
        .header("x-registry-auth", header_for(&cx.config, name)?)
        .send()
        .await?;
    show(reply, if quiet { To::Nowhere } else { to }).await
}
