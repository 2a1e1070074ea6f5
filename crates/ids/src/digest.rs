//! Content digests and the identifiers of images, which are digests of their configurations.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// Why a text is not a digest. The texts are those of the go-digest library, which reach clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex`.
    #[error("invalid checksum digest format")]
    Format,
    /// An algorithm other than SHA-256.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// Not 64 digits.
    #[error("invalid checksum digest length")]
    Length,
}

/// A SHA-256 digest, written `sha256:<64 hex>` (OCI image-spec, "Digests").
///
/// SHA-256 is the one algorithm that image configurations and layers are named by; others are
/// refused as unsupported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest from the hash's bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(content).into())
    }

    /// The hash's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without the algorithm: a name for files.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The first 12 digits, as listings print them.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }

    /// A digest from its 64 digits alone.
    ///
    /// # Errors
    /// [`DigestError`] if `digits` are not 64 lower-case hexadecimal digits.
    pub fn from_hex(digits: &str) -> Result<Self, DigestError> {
        if !crate::is_hex_prefix(digits) {
            return Err(DigestError::Format);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| DigestError::Length)?;
        Ok(Self(bytes))
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (algorithm, digits) = text.split_once(':').ok_or(DigestError::Format)?;
        match algorithm {
            "sha256" => Self::from_hex(digits),
            _ if is_algorithm(algorithm) && !digits.is_empty() => Err(DigestError::Algorithm),
            _ => Err(DigestError::Format),
        }
    }
}

/// `algorithm-component (separator algorithm-component)*` of the image-spec's grammar.
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

serde_as_string!(Digest);

/// The identifier of an image: the digest of its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(Digest);

impl ImageId {
    /// The image whose configuration has this digest.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The digest of the configuration.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// The first 12 digits, as `docker images` prints them.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl FromStr for ImageId {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_string!(ImageId);

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn parses_prints_and_computes() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.short(), "e3b0c44298fc");
        assert_eq!(Digest::of(b""), digest);
        assert_eq!(ImageId::new(digest).to_string(), EMPTY);
    }

    #[test]
    fn refusals_have_the_known_texts() {
        let cases = [
            ("", DigestError::Format),
            ("sha256", DigestError::Format),
            (":abc", DigestError::Format),
            ("sha256:ABC", DigestError::Format),
            ("sha256:", DigestError::Format),
            ("sha256:abc", DigestError::Length),
            ("md5:00", DigestError::Algorithm),
            ("sha512:00", DigestError::Algorithm),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        }
    }
}
