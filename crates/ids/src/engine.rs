//! The identity of one engine among several on a machine.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Eight hexadecimal digits from the SHA-256 of an engine's data root.
///
/// It stands in the names of what the engine owns in the kernel (bridge, veths, nft table, control
/// groups, sockets), so that two engines never sweep each other's. Eight digits leave seven of an
/// interface name's fifteen bytes for the rest of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineId([u8; 8]);

impl EngineId {
    /// The engine whose data root is `data_root`, which must be absolute and free of symbolic links
    /// (canonical), or two names of one root would be two engines.
    #[must_use]
    pub fn of_data_root(data_root: &Path) -> Self {
        let digest = crate::Digest::of(data_root.as_os_str().as_bytes());
        let mut digits = [0; 8];
        hex::encode_to_slice(&digest.as_bytes()[..4], &mut digits)
            .expect("four bytes are eight digits");
        Self(digits)
    }

    /// The eight digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_have_stable_different_ids() {
        let one = EngineId::of_data_root(Path::new("/var/lib/gantry"));
        let two = EngineId::of_data_root(Path::new("/var/lib/gantry2"));
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 8);
        // printf /var/lib/gantry | sha256sum
        assert_eq!(one.to_string(), "2f62e592");
    }
}
