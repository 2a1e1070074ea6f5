//! The `gantry://` URI that names a task's stdio in `Task.Create` and `Task.Exec`. Parsing is strict:
//! an unknown parameter is an error, because dropping it would lose what somebody asked for.

use std::ffi::OsStr;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use thiserror::Error;

const SCHEME: &str = "gantry://";
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'=')
    .add(b'?');

/// Why a string is not a stdio URI.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UriError {
    /// It does not begin with `gantry://`.
    #[error("stdio uri {0:?} has no gantry:// scheme")]
    Scheme(String),
    /// The socket's path, or the log's, is not absolute.
    #[error("path {0:?} in a stdio uri is not absolute")]
    RelativePath(PathBuf),
    /// A parameter that this version does not know, or one given twice.
    #[error("unknown or repeated parameter {0:?} in a stdio uri")]
    Parameter(String),
    /// A parameter whose value cannot be used.
    #[error("bad value {value:?} of parameter {name:?} in a stdio uri")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What was given, decoded.
        value: String,
    },
    /// Parameters of the log without a log.
    #[error("parameter {0:?} of a stdio uri needs \"log\"")]
    NeedsLog(&'static str),
}

/// A log file in docker's json-file format, and how it is rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFile {
    /// The live file.
    pub path: PathBuf,
    /// The size in bytes from which on the file is rotated; `None`: never.
    pub max_size: Option<NonZeroU64>,
    /// How many files are kept, the live one counted.
    pub max_file: NonZeroU32,
    /// A JSON object to write as `attrs` into each record, already encoded.
    pub attrs: Option<String>,
}

impl JsonFile {
    /// A log at `path` that is never rotated.
    #[must_use]
    pub fn unlimited(path: PathBuf) -> Self {
        Self {
            path,
            max_size: None,
            max_file: NonZeroU32::MIN,
            attrs: None,
        }
    }
}

/// Where a task's streams go: see the module's documentation. `Display` builds the URI, `FromStr`
/// parses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StdioUri {
    /// The unix socket the shim listens on; the same for all processes of a task.
    pub socket: PathBuf,
    /// The log to append to; `None`: nothing is logged.
    pub log: Option<JsonFile>,
    /// Whether stdin is closed when the first attached client that has it goes away.
    pub stdin_once: bool,
}

impl StdioUri {
    /// Streams that are only served to attached clients.
    #[must_use]
    pub fn without_log(socket: PathBuf) -> Self {
        Self {
            socket,
            log: None,
            stdin_once: false,
        }
    }

    /// Whether `text` is meant to be one of these URIs (and not, say, a FIFO's path).
    #[must_use]
    pub fn claims(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl fmt::Display for StdioUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", encode(self.socket.as_os_str().as_bytes()))?;
        let mut separator = '?';
        let mut parameter = |f: &mut fmt::Formatter<'_>, name: &str, value: &[u8]| {
            let result = write!(f, "{separator}{name}={}", encode(value));
            separator = '&';
            result
        };
        if let Some(log) = &self.log {
            parameter(f, "log", log.path.as_os_str().as_bytes())?;
            if let Some(size) = log.max_size {
                parameter(f, "max-size", size.to_string().as_bytes())?;
            }
            if log.max_file != NonZeroU32::MIN {
                parameter(f, "max-file", log.max_file.to_string().as_bytes())?;
            }
            if let Some(attrs) = &log.attrs {
                parameter(f, "attrs", attrs.as_bytes())?;
            }
        }
        if self.stdin_once {
            parameter(f, "stdin-once", b"1")?;
        }
        Ok(())
    }
}

impl FromStr for StdioUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or_else(|| UriError::Scheme(text.to_owned()))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.set(name, decode(value))?;
        }
        let socket = absolute(&decode(path))?;
        let stdin_once = parameters.stdin_once.unwrap_or(false);
        Ok(Self {
            socket,
            log: parameters.into_log()?,
            stdin_once,
        })
    }
}

#[derive(Default)]
struct Parameters {
    log: Option<PathBuf>,
    max_size: Option<u64>,
    max_file: Option<NonZeroU32>,
    attrs: Option<String>,
    stdin_once: Option<bool>,
}

impl Parameters {
    fn set(&mut self, name: &str, value: Vec<u8>) -> Result<(), UriError> {
        let repeated = match name {
            "log" => self.log.replace(absolute(&value)?).is_some(),
            "max-size" => self.max_size.replace(number("max-size", &value)?).is_some(),
            "max-file" => self.max_file.replace(number("max-file", &value)?).is_some(),
            "attrs" => self.attrs.replace(object("attrs", value)?).is_some(),
            "stdin-once" => self
                .stdin_once
                .replace(flag("stdin-once", &value)?)
                .is_some(),
            _ => true,
        };
        if repeated {
            Err(UriError::Parameter(name.to_owned()))
        } else {
            Ok(())
        }
    }

    fn into_log(self) -> Result<Option<JsonFile>, UriError> {
        let Some(path) = self.log else {
            let orphan = [
                ("max-size", self.max_size.is_some()),
                ("max-file", self.max_file.is_some()),
                ("attrs", self.attrs.is_some()),
            ];
            return match orphan.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(UriError::NeedsLog(name)),
                None => Ok(None),
            };
        };
        Ok(Some(JsonFile {
            path,
            max_size: self.max_size.and_then(NonZeroU64::new),
            max_file: self.max_file.unwrap_or(NonZeroU32::MIN),
            attrs: self.attrs,
        }))
    }
}

fn encode(bytes: &[u8]) -> percent_encoding::PercentEncode<'_> {
    percent_encode(bytes, RESERVED)
}

fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn absolute(bytes: &[u8]) -> Result<PathBuf, UriError> {
    let path = Path::new(OsStr::from_bytes(bytes));
    if !path.is_absolute() || bytes.contains(&0) {
        return Err(UriError::RelativePath(path.to_owned()));
    }
    Ok(path.to_owned())
}

fn bad(name: &'static str, value: &[u8]) -> UriError {
    UriError::Value {
        name,
        value: String::from_utf8_lossy(value).into_owned(),
    }
}

fn number<T: FromStr>(name: &'static str, value: &[u8]) -> Result<T, UriError> {
    let text = str::from_utf8(value).map_err(|_| bad(name, value))?;
    text.parse().map_err(|_| bad(name, value))
}

fn flag(name: &'static str, value: &[u8]) -> Result<bool, UriError> {
    match value {
        b"1" => Ok(true),
        b"0" => Ok(false),
        _ => Err(bad(name, value)),
    }
}

fn object(name: &'static str, value: Vec<u8>) -> Result<String, UriError> {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&value)
        .map_err(|_| bad(name, &value))?;
    String::from_utf8(value).map_err(|error| bad(name, error.as_bytes()))
}

#[cfg(test)]
mod tests;
