//! What can go wrong with a registry, in dockerd's words where clients read them.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use gantry_errors::{Classify, ErrorKind};
use gantry_ids::Digest;

use crate::auth::Refused;
use crate::manifest::ManifestError;
use crate::token::TokenError;

/// What can go wrong with a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A registry's name is no host.
    #[error("{0:?} is no registry's address")]
    Host(String),
    /// `hosts.toml` cannot be used.
    #[error("read {path}: {why}", path = path.display())]
    HostsFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A certificate or key cannot be used.
    #[error("load certificates from {path}: {why}", path = path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The HTTP client cannot be built (a proxy's address is wrong).
    #[error("set up the registry client")]
    Setup(#[source] reqwest::Error),
    /// A request got no answer.
    #[error("{method} \"{url}\": {}", told(cause))]
    Transport {
        /// The method, as Go writes it (`Get`).
        method: &'static str,
        /// Where it went.
        url: String,
        /// Why it failed: part of the text, so that it is no source.
        cause: reqwest::Error,
    },
    /// An answer stopped or came too slowly.
    #[error("{method} \"{url}\": {why}")]
    Broken {
        /// The method, as Go writes it.
        method: &'static str,
        /// Where it went.
        url: String,
        /// What happened.
        why: &'static str,
    },
    /// The registry refused.
    #[error("{}", words(errors, *status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The registry's own errors (distribution specification, "Error Codes").
        errors: Vec<ApiError>,
        /// When to ask again, if it said.
        retry_after: Option<Duration>,
    },
    /// An index of one's own cannot be searched.
    #[error("invalid registry endpoint \"{base}\". {why}")]
    Index {
        /// Where it should be.
        base: String,
        /// What was tried, and what came of it: part of the text.
        why: String,
    },
    /// An index answered something else than a list.
    #[error("Unexpected status code {0}")]
    IndexStatus(u16),
    /// An address that is neither `http` nor `https`.
    #[error("Get \"{url}\": unsupported protocol scheme \"{scheme}\"")]
    Scheme {
        /// The address.
        url: String,
        /// What it begins with.
        scheme: String,
    },
    /// A server that is no registry refused.
    #[error("failed to GET {url} with status {status}: {body}")]
    Status {
        /// The address.
        url: String,
        /// The status and its words.
        status: String,
        /// The beginning of what it said.
        body: String,
    },
    /// No way in.
    #[error("{method} \"{url}\": {cause}")]
    Unauthorized {
        /// The method, as Go writes it.
        method: &'static str,
        /// Where it went.
        url: String,
        /// Why not: part of the text.
        cause: Refused,
    },
    /// The password or token is wrong.
    #[error("unauthorized: authentication required")]
    WrongCredentials,
    /// The token server did not give a token.
    #[error("failed to fetch {what} token: {why}")]
    TokenServer {
        /// `anonymous` or `oauth`.
        what: &'static str,
        /// Its own words, or the status.
        why: String,
    },
    /// The token server's address cannot be used.
    #[error("the registry names a token server that is not to be trusted: {0:?}")]
    Realm(String),
    /// The token server's answer is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A redirect leads nowhere.
    #[error("stopped after {0} redirects")]
    Redirects(u32),
    /// A redirect leads from TLS to no TLS.
    #[error("the registry redirects from https to {0:?}")]
    Downgrade(String),
    /// A manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An answer is longer than it may be.
    #[error("{url}: the answer is longer than {limit} bytes")]
    TooLong {
        /// Where it came from.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// A blob is not what its digest says.
    #[error("filesystem layer verification failed for digest {0}")]
    Verification(Digest),
    /// A blob has another size than its descriptor says.
    #[error("blob {digest} has {found} bytes, its descriptor says {expected}")]
    Size {
        /// Which blob.
        digest: Digest,
        /// What the descriptor says.
        expected: u64,
        /// What came, or was announced.
        found: u64,
    },
    /// An answer that the protocol does not allow.
    #[error("unexpected answer of {url}: {what}")]
    Protocol {
        /// Where it came from.
        url: String,
        /// What is odd.
        what: &'static str,
    },
    /// A wait was called off.
    #[error("context canceled")]
    Cancelled,
}

/// One error of a registry's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// `MANIFEST_UNKNOWN`.
    pub code: String,
    /// In words.
    pub message: String,
}

impl RegistryError {
    /// Whether the same request may work later, and when.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Transport { cause, .. } => {
                !cause.is_builder() && !is_tls(cause) && !is_refused(cause)
            }
            Self::Broken { .. } => true,
            Self::Refused { status, errors, .. } => {
                crate::retry::is_temporary(*status)
                    || errors.iter().any(|error| error.code == "TOOMANYREQUESTS")
            }
            _ => false,
        }
    }

    /// The pause that the registry asked for.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the registry's error has this code, or its answer this status and no code.
    #[must_use]
    pub fn is(&self, wanted: &str, or_status: u16) -> bool {
        match self {
            Self::Refused { status, errors, .. } if errors.is_empty() => *status == or_status,
            Self::Refused { errors, .. } => errors.iter().any(|error| error.code == wanted),
            _ => false,
        }
    }

    /// Whether nothing was found behind the name.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether no answer came at all, so that another endpoint may be asked.
    #[must_use]
    pub const fn is_transport(&self) -> bool {
        matches!(self, Self::Transport { .. })
    }
}

impl Classify for RegistryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Host(_) | Self::Scheme { .. } => ErrorKind::InvalidArgument,
            Self::Status { status, .. } if status.starts_with("404") => ErrorKind::NotFound,
            Self::Refused { status: 404, .. } | Self::Manifest(ManifestError::NoPlatform(_)) => {
                ErrorKind::NotFound
            }
            Self::Refused { status: 401, .. } | Self::WrongCredentials => {
                ErrorKind::Unauthenticated
            }
            Self::Refused { status: 403, .. } => ErrorKind::PermissionDenied,
            Self::Manifest(
                ManifestError::Schema1 | ManifestError::Artifact(_) | ManifestError::MediaType(_),
            ) => ErrorKind::InvalidArgument,
            Self::Cancelled => ErrorKind::Cancelled,
            _ => ErrorKind::Unknown,
        }
    }
}

/// The registry's errors as the distribution project's client prints them.
fn words(errors: &[ApiError], status: u16) -> String {
    if errors.is_empty() {
        let status = http::StatusCode::from_u16(status).unwrap_or_default();
        let reason = status.canonical_reason().unwrap_or_default();
        return format!(
            "received unexpected HTTP status: {} {reason}",
            status.as_u16()
        );
    }
    let told = errors.iter().map(|error| {
        let code = error.code.to_ascii_lowercase().replace('_', " ");
        if error.message.is_empty() {
            code
        } else {
            format!("{code}: {}", error.message)
        }
    });
    told.collect::<Vec<_>>().join("\n")
}

fn is_refused(error: &reqwest::Error) -> bool {
    io_kind(error) == Some(std::io::ErrorKind::ConnectionRefused)
}

fn io_kind(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.raw_os_error().is_some()
        {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // What travels inside an io::Error is not named as its source.
        let inside = error.downcast_ref::<std::io::Error>();
        next = match inside.and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn is_tls(error: &reqwest::Error) -> bool {
    tls_error(error).is_some()
}

/// The innermost cause in Go's words where clients know them, else in its own.
fn told(error: &reqwest::Error) -> String {
    use rustls::{CertificateError, Error as Tls, InvalidMessage};
    match tls_error(error) {
        Some(Tls::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            return "http: server gave HTTP response to HTTPS client".to_owned();
        }
        Some(Tls::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
                .to_owned();
        }
        Some(other) => return format!("tls: {other}"),
        None => {}
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() {
        return "net/http: request canceled while waiting for the answer (deadline exceeded)"
            .to_owned();
    }
    if io_kind(error) == Some(std::io::ErrorKind::ConnectionRefused) {
        let address = error.url().and_then(|url| {
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port_or_known_default()?
            ))
        });
        return format!(
            "dial tcp {}: connect: connection refused",
            address.unwrap_or_default()
        );
    }
    let text = innermost.to_string();
    if text.contains("failed to lookup address") || text.contains("dns error") {
        let host = error
            .url()
            .and_then(|url| url.host_str().map(str::to_owned));
        return format!(
            "dial tcp: lookup {}: no such host",
            host.unwrap_or_default()
        );
    }
    text
}
