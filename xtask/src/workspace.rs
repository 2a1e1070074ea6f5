//! Where things are: the workspace, its target folder, the built programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .map_or_else(|| own.to_path_buf(), Path::to_path_buf)
}

/// `cargo` in the workspace's root, the same one that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    // What `cargo run` says of xtask: build scripts that look at these variables (ring's does) would run again, and
    // all that stands on them be built again, each time the workspace is built in another way.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// cargo's own description of the workspace, members only.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text =
        crate::command::output(cargo().args(["metadata", "--format-version=1", "--no-deps"]))?;
    serde_json::from_str(&text).context("cargo metadata")
}

/// The target folder; CARGO_TARGET_DIR and cargo's configuration are honoured.
pub(crate) fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let dir = metadata["target_directory"]
        .as_str()
        .context("cargo metadata: target_directory")?;
    Ok(PathBuf::from(dir))
}
