//! The two identities of a layer.

use std::fmt;
use std::str::FromStr;

use gantry_ids::{Digest, DigestError};
use serde::{Deserialize, Serialize};

/// The digest of a layer's uncompressed tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(Digest);

/// The identity of a layer on top of those beneath it (OCI image-spec, "Layer ChainID"): equal
/// chains have equal root filesystems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(Digest);

impl DiffId {
    /// The layer whose uncompressed tar has this digest.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest of the uncompressed tar.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl ChainId {
    /// The chain with this digest.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The chain's digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// The chain of `diff` on top of `parent`.
    #[must_use]
    pub fn on_top(parent: Option<&Self>, diff: &DiffId) -> Self {
        match parent {
            None => Self(diff.0),
            Some(parent) => Self(Digest::of(format!("{} {}", parent.0, diff.0).as_bytes())),
        }
    }

    /// The chain of all `diffs`, the lowest first; none if there are no layers.
    #[must_use]
    pub fn of(diffs: &[DiffId]) -> Option<Self> {
        diffs.iter().fold(None, |parent, diff| {
            Some(Self::on_top(parent.as_ref(), diff))
        })
    }
}

macro_rules! digest_text {
    ($type:ident) => {
        impl FromStr for $type {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

digest_text!(DiffId);
digest_text!(ChainId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_follow_the_image_spec() {
        let one = DiffId(Digest::of(b"one"));
        let two = DiffId(Digest::of(b"two"));
        assert_eq!(ChainId::of(&[]), None);
        assert_eq!(ChainId::of(&[one]), Some(ChainId(one.0)));
        let both = Digest::of(format!("{one} {two}").as_bytes());
        assert_eq!(ChainId::of(&[one, two]), Some(ChainId(both)));
        assert_ne!(ChainId::of(&[one, two]), ChainId::of(&[two, one]));
    }
}
