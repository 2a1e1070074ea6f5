//! Paths of the client's own, as the engine needs them.

use anyhow::Result;

/// The path from the root on; the engine has no folder to begin at.
///
/// # Errors
/// The current folder is gone, or the path is empty.
pub(super) fn absolute(path: &str) -> Result<String> {
    let whole = std::path::absolute(path)?;
    // Lexically clean, as Go's filepath.Abs: `..` goes up, `.` stays.
    let mut clean = std::path::PathBuf::new();
    for part in whole.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            std::path::Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean.to_string_lossy().into_owned())
}
