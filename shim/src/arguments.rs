//! The command line of containerd's shim protocol: Go's flags, then one word.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use thiserror::Error;

/// Why the command line is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ArgumentError {
    #[error("flag provided but not defined: {0:?}")]
    Unknown(OsString),
    #[error("flag needs an argument: -{0}")]
    NeedsValue(&'static str),
    #[error("unknown action {0:?}, want start or delete")]
    Action(OsString),
    #[error("shim {0} cannot be empty")]
    Missing(&'static str),
    #[error("{0:?} is not UTF-8")]
    Text(OsString),
}

/// What the shim is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Delete,
    Version,
    Info,
}

/// The command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) action: Action,
    pub(crate) namespace: String,
    pub(crate) id: String,
    /// The supervisor's socket, where events go.
    pub(crate) address: PathBuf,
    /// The bundle, where it is not the working directory.
    pub(crate) bundle: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Flags {
    namespace: OsString,
    id: OsString,
    address: OsString,
    bundle: OsString,
    version: bool,
    info: bool,
}

impl Arguments {
    /// Parses what follows the program's name.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, ArgumentError> {
        let (flags, word) = Flags::parse(arguments.into_iter())?;
        let action = match word.as_bytes() {
            _ if flags.version => Action::Version,
            _ if flags.info => Action::Info,
            b"start" => Action::Start,
            b"delete" => Action::Delete,
            _ => return Err(ArgumentError::Action(word)),
        };
        let of_a_task = matches!(action, Action::Start | Action::Delete);
        if of_a_task && flags.namespace.is_empty() {
            return Err(ArgumentError::Missing("namespace"));
        }
        if of_a_task && flags.id.is_empty() {
            return Err(ArgumentError::Missing("id"));
        }
        let bundle = (!flags.bundle.is_empty()).then(|| PathBuf::from(&flags.bundle));
        Ok(Self {
            action,
            namespace: text(flags.namespace)?,
            id: text(flags.id)?,
            address: PathBuf::from(flags.address),
            bundle,
        })
    }
}

impl Flags {
    /// The flags, and the first word after them (empty if there is none).
    fn parse(
        mut arguments: impl Iterator<Item = OsString>,
    ) -> Result<(Self, OsString), ArgumentError> {
        let mut flags = Self::default();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.as_bytes().strip_prefix(b"-") else {
                return Ok((flags, argument));
            };
            let flag = flag.strip_prefix(b"-").unwrap_or(flag);
            let mut parts = flag.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default();
            let value = parts
                .next()
                .map(|value| OsStr::from_bytes(value).to_owned());
            let mut unused = OsString::new();
            let (name, slot) = match name {
                b"v" => {
                    flags.version = true;
                    continue;
                }
                b"info" => {
                    flags.info = true;
                    continue;
                }
                b"debug" => continue,
                b"namespace" => ("namespace", &mut flags.namespace),
                b"id" => ("id", &mut flags.id),
                b"address" => ("address", &mut flags.address),
                b"bundle" => ("bundle", &mut flags.bundle),
                // Stock containerd names its own binary; our events go by gRPC.
                b"publish-binary" => ("publish-binary", &mut unused),
                b"socket" => ("socket", &mut unused),
                _ => return Err(ArgumentError::Unknown(OsString::from_vec(name.to_vec()))),
            };
            *slot = match value {
                Some(value) => value,
                None => arguments.next().ok_or(ArgumentError::NeedsValue(name))?,
            };
        }
        Ok((flags, OsString::new()))
    }
}

fn text(value: OsString) -> Result<String, ArgumentError> {
    value.into_string().map_err(ArgumentError::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ArgumentError> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_containerd_types_is_understood() {
        let parsed = parse(
            "-namespace moby -address /run/c.sock -publish-binary /usr/bin/containerd -id abc \
             -bundle /b -debug delete",
        );
        let expected = Arguments {
            action: Action::Delete,
            namespace: "moby".into(),
            id: "abc".into(),
            address: "/run/c.sock".into(),
            bundle: Some("/b".into()),
        };
        assert_eq!(parsed, Ok(expected));
        assert_eq!(
            parse("--namespace=n --id=i start").unwrap().action,
            Action::Start
        );
        assert_eq!(parse("-v").unwrap().action, Action::Version);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert_eq!(
            parse("-id i start"),
            Err(ArgumentError::Missing("namespace"))
        );
        assert_eq!(
            parse("-namespace n start"),
            Err(ArgumentError::Missing("id"))
        );
        assert_eq!(
            parse("-namespace"),
            Err(ArgumentError::NeedsValue("namespace"))
        );
        assert_eq!(
            parse("-colour red start"),
            Err(ArgumentError::Unknown("colour".into()))
        );
        assert_eq!(
            parse("-namespace n -id i sing"),
            Err(ArgumentError::Action("sing".into()))
        );
    }
}
