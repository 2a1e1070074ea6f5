//! Names that people give to containers and volumes.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// Why a name is refused, in dockerd's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A container's name with other characters, or of one character.
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Container(String),
    /// A volume's name of one character.
    #[error("volume name is too short, names should be at least two alphanumeric characters")]
    VolumeTooShort,
    /// A volume's name with other characters.
    #[error(
        "{0:?} includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use \
         absolute path"
    )]
    Volume(String),
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]+`: at least two characters.
fn is_restricted_name(name: &str) -> bool {
    name.len() >= 2
        && name.as_bytes()[0].is_ascii_alphanumeric()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A container's name, without the slash that the API puts before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(Box<str>);

impl ContainerName {
    /// The name, without a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the API writes it: `/name`.
    #[must_use]
    pub fn with_slash(&self) -> String {
        format!("/{}", self.0)
    }
}

impl FromStr for ContainerName {
    type Err = NameError;

    /// Accepts one leading slash, as dockerd does.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix('/').unwrap_or(text);
        if is_restricted_name(name) {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Container(text.to_owned()))
        }
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for ContainerName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

serde_as_string!(ContainerName);

/// The name of a local volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName(Box<str>);

impl VolumeName {
    /// A name of 64 hexadecimal digits for a volume that nobody named.
    #[must_use]
    pub fn generate() -> Self {
        Self(crate::ContainerId::generate().as_str().into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VolumeName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            0 | 1 => Err(NameError::VolumeTooShort),
            _ if is_restricted_name(text) => Ok(Self(text.into())),
            _ => Err(NameError::Volume(text.to_owned())),
        }
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for VolumeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

serde_as_string!(VolumeName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_names() {
        for good in ["ab", "a_", "web-1.x_y", "/web", "0a"] {
            assert!(good.parse::<ContainerName>().is_ok(), "{good}");
        }
        for bad in [
            "", "/", "a", "/a", "//ab", "-ab", ".ab", "a b", "a/b", "ä2", "ab\n",
        ] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad:?}");
        }
        let error = "a b".parse::<ContainerName>().unwrap_err();
        let text = "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn volume_names() {
        assert!("data".parse::<VolumeName>().is_ok());
        assert_eq!("d".parse::<VolumeName>(), Err(NameError::VolumeTooShort));
        assert_eq!(
            "a/b".parse::<VolumeName>(),
            Err(NameError::Volume("a/b".to_owned()))
        );
        assert_eq!(VolumeName::generate().as_str().len(), 64);
    }
}
