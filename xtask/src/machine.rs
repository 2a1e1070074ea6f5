//! What the machine must be: Linux, x86_64 or aarch64, and root.

use anyhow::{Result, bail};

/// Refuses to go on where containers cannot run.
///
/// # Errors
/// With what is missing and what to do.
pub(crate) fn check() -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("Gantry runs on Linux only; use a Linux machine or a virtual one");
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let uid = status
        .lines()
        .find_map(|l| l.strip_prefix("Uid:"))
        .and_then(|l| l.split_whitespace().nth(1).map(str::to_owned));
    if uid.as_deref() != Some("0") {
        bail!("containers need root here: run it as root (sudo -E cargo xtask …)");
    }
    Ok(())
}
