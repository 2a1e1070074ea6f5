//! Build arguments that speak to the builder rather than to the Dockerfile (`BUILDKIT_…`).
//!
//! `BUILDKIT_SYNTAX` and `SOURCE_DATE_EPOCH` are read where the plan is made. Without effect, as in a
//! BuildKit that does the same work: `BUILDKIT_CONTEXT_KEEP_GIT_DIR` (no context comes from git) and
//! `BUILDKIT_BUILD_NAME` (a name for logs).

use std::collections::BTreeMap;

use crate::Request;
use crate::fault::Fault;

/// What they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// `BUILDKIT_SANDBOX_HOSTNAME`, else what the client says otherwise; empty for BuildKit's name.
    pub(super) hostname: String,
    /// `BUILDKIT_CACHE_MOUNT_NS`: goes before the names of cache mounts.
    pub(super) cache_space: String,
    /// `BUILDKIT_INLINE_CACHE`, or the client's own words for it: the image carries the keys of its steps.
    pub(super) inline_cache: bool,
    /// `BUILDKIT_DOCKERFILE_CHECK`: goes before what `# check=` says.
    pub(super) check: Option<String>,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// `BUILDKIT_MULTI_PLATFORM` asks for an index.
    pub(super) fn read(request: &Request) -> Result<Self, Fault> {
        let given: &BTreeMap<String, String> = &request.language.build_args;
        let text = |name: &str| given.get(name).filter(|value| !value.is_empty());
        let is_on = |value: &String| {
            !matches!(
                value.as_str(),
                "0" | "f" | "F" | "false" | "False" | "FALSE"
            )
        };
        if text("BUILDKIT_MULTI_PLATFORM").is_some_and(is_on) {
            return Err(Fault::NotBuilt("BUILDKIT_MULTI_PLATFORM"));
        }
        let hostname = text("BUILDKIT_SANDBOX_HOSTNAME").unwrap_or(&request.hostname);
        Ok(Self {
            hostname: hostname.clone(),
            inline_cache: request.inline_cache || text("BUILDKIT_INLINE_CACHE").is_some_and(is_on),
            cache_space: text("BUILDKIT_CACHE_MOUNT_NS").cloned().unwrap_or_default(),
            check: text("BUILDKIT_DOCKERFILE_CHECK").cloned(),
        })
    }
}
