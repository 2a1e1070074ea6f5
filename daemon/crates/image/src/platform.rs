//! Platforms in Go's words: `linux/amd64`, `linux/arm64/v8`.

use std::fmt;

use serde::Deserialize;

use crate::ImageError;

/// An operating system, an architecture and its variant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) variant: String,
}

impl Platform {
    /// What this program was built for and runs on.
    pub(crate) fn of_this_machine() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "aarch64" => ("arm64", "v8"),
            "x86" => ("386", ""),
            "arm" => ("arm", "v7"),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", ""),
            other => (other, ""),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// Reads `os[/architecture[/variant]]`; what is left out is this machine's.
    pub(crate) fn parse(text: &str) -> Result<Self, ImageError> {
        let bad = || ImageError::BadPlatform(text.chars().take(80).collect());
        let here = Self::of_this_machine();
        let lower = text.to_ascii_lowercase();
        let mut parts = lower.split('/');
        let os = parts.next().unwrap_or_default();
        let architecture = parts.next();
        let variant = parts.next();
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let all_words = [architecture, variant].into_iter().flatten().all(word);
        if os != "linux" || parts.next().is_some() || !all_words {
            return Err(bad());
        }
        let architecture = match architecture {
            None => return Ok(here),
            Some("x86_64" | "x86-64") => "amd64",
            Some("aarch64") => "arm64",
            Some(other) => other,
        };
        let variant = match (architecture, variant) {
            // The variant that is meant by none.
            ("arm64", Some("v8")) | (_, None) => "",
            (_, Some(variant)) => variant,
        };
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        })
    }

    /// How well an image for `other` runs here: none if not at all, more if better.
    pub(crate) fn fit(&self, other: &Self) -> Option<u32> {
        if self.os != other.os || self.architecture != other.architecture {
            return None;
        }
        let level = |variant: &str, default: u32| {
            variant
                .strip_prefix('v')
                .map_or(Some(default), |digits| digits.parse().ok())
        };
        let default = match self.architecture.as_str() {
            "arm64" => 8,
            "arm" => 7,
            _ => 1,
        };
        let (ours, theirs) = (
            level(&self.variant, default)?,
            level(&other.variant, default)?,
        );
        (theirs <= ours).then_some(theirs)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.variant)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(architecture: &str, variant: &str) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    #[test]
    fn parsing() {
        assert_eq!(
            Platform::parse("linux").unwrap(),
            Platform::of_this_machine()
        );
        assert_eq!(
            Platform::parse("Linux/ARM64").unwrap(),
            platform("arm64", "")
        );
        assert_eq!(
            Platform::parse("linux/arm/v6").unwrap(),
            platform("arm", "v6")
        );
        assert_eq!(
            Platform::parse("linux/x86_64").unwrap(),
            platform("amd64", "")
        );
        for text in ["", "windows/amd64", "linux/", "linux/a/b/c", "linux/a b"] {
            assert!(Platform::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fitting() {
        let amd64 = platform("amd64", "");
        assert!(amd64.fit(&platform("amd64", "")).is_some());
        assert!(amd64.fit(&platform("amd64", "v3")).is_none());
        assert!(amd64.fit(&platform("arm64", "")).is_none());
        let arm = platform("arm", "v7");
        assert!(arm.fit(&platform("arm", "v7")) > arm.fit(&platform("arm", "v6")));
        assert!(arm.fit(&platform("arm", "v8")).is_none());
        let arm64 = platform("arm64", "v8");
        assert_eq!(
            arm64.fit(&platform("arm64", "")),
            arm64.fit(&platform("arm64", "v8"))
        );
    }
}
