//! Platforms in Go's words: `linux/amd64`, `linux/arm64/v8`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Operating systems that Go knows; what else stands first is an architecture or a mistake.
const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];
/// Architectures that Go knows and that images are made for.
const ARCHITECTURES: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "wasm",
];
const TEXT_MAX_BYTES: usize = 80;

/// Why a text is not a platform, in the words of containerd's package, which reach clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Empty, too many parts, or odd characters.
    #[error("{0:?}: cannot parse platform specifier: invalid argument")]
    Format(String),
    /// One word that is neither.
    #[error("{0:?}: unknown operating system or architecture: invalid argument")]
    Unknown(String),
}

/// An operating system, an architecture and its variant (image-spec, "platform" of a descriptor).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// Go's name: `amd64`.
    pub architecture: String,
    /// `v7`; empty where the architecture has none or its usual one is meant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl Platform {
    /// What this program was built for and runs on.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "aarch64" => ("arm64", "v8"),
            "x86" => ("386", ""),
            "arm" => ("arm", "v7"),
            "powerpc64" if cfg!(target_endian = "little") => ("ppc64le", ""),
            other => (other, ""),
        };
        Self::new("linux", architecture, variant)
    }

    fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// How well something made for `other` runs where this platform is wanted: none if not at all,
    /// more if better.
    #[must_use]
    pub fn fit(&self, other: &Self) -> Option<u32> {
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

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os[/architecture[/variant]]` or `architecture`; what is left out is this machine's.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let shown = || text.chars().take(TEXT_MAX_BYTES).collect();
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        };
        if parts.len() > 3 || !parts.iter().all(word) {
            return Err(PlatformError::Format(shown()));
        }
        let here = Self::of_this_machine();
        match *parts.as_slice() {
            ["linux"] => Ok(here),
            [os] if SYSTEMS.contains(&os) => Ok(Self::new(os, &here.architecture, "")),
            [one] => {
                let (architecture, variant) = usual(one, "");
                if ARCHITECTURES.contains(&architecture) {
                    Ok(Self::new("linux", architecture, variant))
                } else {
                    Err(PlatformError::Unknown(shown()))
                }
            }
            [os, architecture] => {
                let (architecture, variant) = usual(architecture, "");
                Ok(Self::new(os, architecture, variant))
            }
            [os, architecture, variant] => {
                let (architecture, variant) = usual(architecture, variant);
                Ok(Self::new(os, architecture, variant))
            }
            _ => Err(PlatformError::Format(shown())),
        }
    }
}

/// Other names of the same architecture, and variants that are meant by none.
fn usual<'a>(architecture: &'a str, variant: &'a str) -> (&'a str, &'a str) {
    match (architecture, variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", other) => ("amd64", other),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", other) => ("arm64", other),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        other => other,
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
        Platform::new("linux", architecture, variant)
    }

    #[test]
    fn parsing() {
        let read = |text: &str| text.parse::<Platform>();
        assert_eq!(read("linux"), Ok(Platform::of_this_machine()));
        for (text, expected) in [
            ("Linux/ARM64", platform("arm64", "")),
            ("linux/arm64/v8", platform("arm64", "")),
            ("linux/arm/v6", platform("arm", "v6")),
            ("linux/arm", platform("arm", "v7")),
            ("linux/x86_64", platform("amd64", "")),
            ("linux/amd64/v3", platform("amd64", "v3")),
            ("aarch64", platform("arm64", "")),
            ("windows/amd64", Platform::new("windows", "amd64", "")),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for text in ["", "linux/", "linux/a/b/c", "linux/a b"] {
            assert_eq!(
                read(text),
                Err(PlatformError::Format(text.to_owned())),
                "{text}"
            );
        }
        assert_eq!(
            read("foo").unwrap_err().to_string(),
            "\"foo\": unknown operating system or architecture: invalid argument"
        );
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
