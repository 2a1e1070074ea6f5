//! Makes the embedded image `gantry/hello` from the one static program it holds.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes the image's archive to `archive`, unless it is there already from the same program.
pub(crate) fn write(program: &Path, archive: &Path) -> Result<()> {
    let binary = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let _ = (binary, archive);
    anyhow::bail!("the image builder has not landed")
}
