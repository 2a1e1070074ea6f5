//! Paths as a peer tells them: lists of plain names.

use super::ReceiveError;

/// The longest path, in bytes (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4096;

/// The longest name, in bytes (`NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// A path is made of plain names.
pub(super) fn check(path: &str) -> Result<(), ReceiveError> {
    let is_plain = |name: &str| {
        !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains('\0')
    };
    if path.len() > PATH_BYTES_MAX || !path.split('/').all(is_plain) {
        let shown: String = path.chars().take(256).collect();
        return Err(ReceiveError::Path(shown));
    }
    Ok(())
}
