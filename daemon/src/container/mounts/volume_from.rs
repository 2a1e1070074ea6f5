//! `--volumes-from CONTAINER[:mode]`.

use super::{MountError, MountRecord, Source};

/// Splits the option into the container and its mode.
///
/// # Errors
/// [`MountError::Mode`] for a mode that is neither `ro`, `rw`, `z` nor `Z`.
pub fn parse(spec: &str) -> Result<(&str, &str), MountError> {
    let (container, mode) = spec.split_once(':').unwrap_or((spec, "rw"));
    let known = mode
        .split(',')
        .all(|option| matches!(option, "ro" | "rw" | "z" | "Z"));
    if known {
        Ok((container, mode))
    } else {
        Err(MountError::Mode(mode.to_owned()))
    }
}

/// The other container's binds and volumes, with the mode of the option.
///
/// # Errors
/// [`MountError::Mode`].
pub fn inherit(spec: &str, from: &[MountRecord]) -> Result<Vec<MountRecord>, MountError> {
    let (_, mode) = parse(spec)?;
    let read_only = mode.split(',').any(|option| option == "ro");
    Ok(from
        .iter()
        .filter(|mount| !matches!(mount.source, Source::Tmpfs { .. }))
        .cloned()
        .map(|mut mount| {
            mount.writable &= !read_only;
            mode.clone_into(&mut mount.mode);
            if let Source::Volume {
                anonymous, no_copy, ..
            } = &mut mount.source
            {
                // It belongs to the container it comes from.
                *anonymous = false;
                *no_copy = true;
            }
            mount
        })
        .collect())
}
