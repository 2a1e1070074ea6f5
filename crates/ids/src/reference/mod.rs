//! Image references: `[domain/]path[:tag][@digest]`.
//!
//! Follows the grammar of the distribution project's reference package and its normalisation:
//! `busybox` is the *familiar* form of `docker.io/library/busybox`. Error texts are that package's,
//! because dockerd hands them to clients.

use std::fmt;
use std::str::FromStr;

use crate::{Digest, DigestError, serde_as_string};

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const PATH_MAX_BYTES: usize = 255;
const TAG_MAX_BYTES: usize = 128;

/// Why a text is not an image reference, in the distribution package's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text does not follow the grammar.
    #[error("invalid reference format")]
    Format,
    /// The repository's path has an upper-case letter.
    #[error("invalid reference format: repository name ({0}) must be lowercase")]
    Uppercase(String),
    /// The path is longer than 255 bytes.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The text is a whole identifier.
    #[error("invalid repository name ({0}), cannot specify 64-byte hexadecimal strings")]
    Identifier(String),
    /// What follows `@` is no digest that can be verified.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// A tag by itself that does not follow the grammar.
    #[error("invalid tag format")]
    Tag,
}

/// A normalised image reference: domain and path always, tag and digest where they were given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    domain: Box<str>,
    path: Box<str>,
    tag: Option<Box<str>>,
    digest: Option<Digest>,
}

impl ImageRef {
    /// The registry's host and port; `docker.io` where none was given.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository beneath the domain, `library/` included.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `domain/path`, without tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The name as people write it: without `docker.io` and `library/`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if &*self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(rest) if !rest.contains('/') => rest.to_owned(),
            _ => self.path.to_string(),
        }
    }

    /// The whole reference as people write it.
    #[must_use]
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), Suffix(self))
    }

    /// The same reference with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(DEFAULT_TAG.into());
        }
        self
    }

    /// The same repository with this tag and no digest.
    ///
    /// # Errors
    /// [`ReferenceError::Tag`] if `tag` does not follow the grammar.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if is_tag(tag) {
            Ok(Self {
                tag: Some(tag.into()),
                digest: None,
                ..self.clone()
            })
        } else {
            Err(ReferenceError::Tag)
        }
    }

    /// The same repository with this digest and no tag, as `RepoDigests` lists it.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// Whether both mean the same repository.
    #[must_use]
    pub fn same_repository(&self, other: &Self) -> bool {
        self.domain == other.domain && self.path == other.path
    }
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    /// Reads a familiar or a full reference.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 64 && crate::is_hex_prefix(text) {
            return Err(ReferenceError::Identifier(text.to_owned()));
        }
        let (domain, rest) = split_domain(text);
        let remote = rest.split(':').next().unwrap_or_default();
        if remote.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase(
                remote.chars().take(PATH_MAX_BYTES).collect(),
            ));
        }
        let rest = &*rest;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) if is_digest_shaped(digest) => (rest, Some(digest)),
            Some(_) => return Err(ReferenceError::Format),
            None => (rest, None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) if is_tag(tag) => (path, Some(tag)),
            Some(_) => return Err(ReferenceError::Format),
            None => (rest, None),
        };
        if !is_domain(domain) || !is_path(path) {
            return Err(ReferenceError::Format);
        }
        if path.len() > PATH_MAX_BYTES {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self {
            domain: domain.into(),
            path: path.into(),
            tag: tag.map(Into::into),
            digest: digest.map(str::parse).transpose()?,
        })
    }
}

/// Separates the domain, filling in docker's defaults (`splitDockerDomain` of the reference).
fn split_domain(text: &str) -> (&str, std::borrow::Cow<'_, str>) {
    let (domain, remote) = match text.split_once('/') {
        Some((LEGACY_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest)) if looks_like_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    };
    if domain == DEFAULT_DOMAIN && !remote.contains('/') {
        (domain, format!("{OFFICIAL_PREFIX}{remote}").into())
    } else {
        (domain, remote.into())
    }
}

/// A first component is a host if no repository could be called so.
fn looks_like_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

/// `host [":" port]`, a host being dotted components or an IPv6 address in brackets.
fn is_domain(text: &str) -> bool {
    let Some(bracketed) = text.strip_prefix('[') else {
        let (host, port) = text
            .split_once(':')
            .map_or((text, None), |(h, p)| (h, Some(p)));
        return port.is_none_or(is_port) && host.split('.').all(is_domain_component);
    };
    let Some((address, after)) = bracketed.split_once(']') else {
        return false;
    };
    let address_ok = !address.is_empty()
        && address
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    address_ok && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_domain_component(text: &str) -> bool {
    let inner = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !text.is_empty() && inner && !text.starts_with('-') && !text.ends_with('-')
}

/// Components of lower-case letters and digits, joined inside by `.`, `_`, `__` or any number of
/// `-`, and joined to each other by `/`.
fn is_path(text: &str) -> bool {
    text.split('/').all(is_path_component)
}

fn is_path_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_ok = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
    let mut separators = bytes
        .split(is_word)
        .filter(|separator| !separator.is_empty());
    ends_ok
        && separators.all(|separator| {
            matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|byte| *byte == b'-')
        })
}

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_MAX_BYTES).contains(&text.len())
        && word(text.as_bytes()[0])
        && text
            .bytes()
            .all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

/// The grammar's idea of a digest, which is wider than what can be verified.
fn is_digest_shaped(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return false;
    };
    let algorithm_ok = algorithm.split(['-', '_', '+', '.']).all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    algorithm_ok && digits.len() >= 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The part after the name.
struct Suffix<'a>(&'a ImageRef);

impl fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tag) = &self.0.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.0.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ImageRef {
    /// The full form, which parses back to the same reference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.domain, self.path, Suffix(self))
    }
}

serde_as_string!(ImageRef);

#[cfg(test)]
mod tests;
