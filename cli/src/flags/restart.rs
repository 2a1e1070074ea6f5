//! `--restart`: `no`, `always`, `on-failure[:N]`, `unless-stopped`. The engine judges the name.

use anyhow::{Result, bail};
use gantry_engine_api::host_config::RestartPolicy;

/// Reads a restart policy.
pub(crate) fn restart_policy(text: &str) -> Result<RestartPolicy> {
    if text.is_empty() {
        return Ok(RestartPolicy::default());
    }
    let (name, count) = text.split_once(':').unwrap_or((text, ""));
    if name.is_empty() {
        bail!("invalid restart policy format: no policy provided before colon");
    }
    let maximum_retry_count = if count.is_empty() {
        0
    } else {
        let Ok(count) = count.parse() else {
            bail!("invalid restart policy format: maximum retry count must be an integer");
        };
        count
    };
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count,
    })
}
