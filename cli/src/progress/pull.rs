//! `POST /images/create?fromImage=…`.

use anyhow::Result;
use gantry_ids::ImageRef;
use http::HeaderValue;

use super::messages::{To, show};
use crate::context::Context;

/// Pulls an image, or has the engine say why it does not.
pub(crate) async fn pull(
    cx: &Context,
    name: &ImageRef,
    platform: Option<&str>,
    quiet: bool,
    to: To,
) -> Result<()> {
    let tag = match (name.digest(), name.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    };
    let reply = cx
        .client()
        .post("/images/create")
        .query("fromImage", name.familiar_name())
        .query("tag", tag)
        .maybe("platform", platform)
        // An empty object: no credentials.
        .header("x-registry-auth", HeaderValue::from_static("e30="))
        .send()
        .await?;
    show(reply, if quiet { To::Nowhere } else { to }).await
}
