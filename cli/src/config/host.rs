//! The grammar of an engine's address: `unix://`, `tcp://`, `ssh://`.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// Where an engine listens when nobody says otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/run/gantry/gantry.sock";

/// An engine's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
    Ssh(SshTarget),
}

/// The far end of an `ssh://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshTarget {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// The engine's socket on the far side, where it is not the default.
    pub(crate) socket: Option<String>,
}

impl Host {
    /// Reads an address as `-H` and `DOCKER_HOST` take it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            if text.is_empty() {
                return Ok(Self::Unix(DEFAULT_SOCKET.into()));
            }
            return tcp(text, text);
        };
        match scheme {
            "unix" if rest.is_empty() => Ok(Self::Unix(DEFAULT_SOCKET.into())),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" | "http" => tcp(text, rest),
            "ssh" => ssh(text),
            "npipe" | "fd" => {
                bail!("invalid bind address ({text}): {scheme} is no client's protocol")
            }
            _ => bail!("invalid bind address ({text}): unsupported proto '{scheme}'"),
        }
    }
}

fn tcp(whole: &str, rest: &str) -> Result<Host> {
    let address = rest.split('/').next().unwrap_or_default();
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (address, "2375"),
    };
    let host = if host.is_empty() { "localhost" } else { host };
    if port.parse::<u16>().is_err() {
        bail!("invalid bind address ({whole}): invalid port {port}");
    }
    Ok(Host::Tcp(format!("{host}:{port}")))
}

fn ssh(whole: &str) -> Result<Host> {
    let url = url::Url::parse(whole)?;
    let Some(host) = url
        .host_str()
        .filter(|host| !host.is_empty() && !host.starts_with('-'))
    else {
        bail!("invalid SSH address ({whole}): no host");
    };
    if url.password().is_some() {
        bail!("invalid SSH address ({whole}): plain-text password is not supported");
    }
    let path = url.path();
    Ok(Host::Ssh(SshTarget {
        user: (!url.username().is_empty()).then(|| url.username().to_owned()),
        host: host.to_owned(),
        port: url.port(),
        socket: (!path.is_empty() && path != "/").then(|| path.to_owned()),
    }))
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Ssh(target) => {
                f.write_str("ssh://")?;
                if let Some(user) = &target.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&target.host)?;
                if let Some(port) = target.port {
                    write!(f, ":{port}")?;
                }
                f.write_str(target.socket.as_deref().unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let table = [
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("unix://", "unix:///run/gantry/gantry.sock"),
            ("tcp://1.2.3.4:99", "tcp://1.2.3.4:99"),
            ("tcp://box", "tcp://box:2375"),
            ("tcp://[::1]:5", "tcp://[::1]:5"),
            ("box:7", "tcp://box:7"),
            ("ssh://me@box:22/run/x.sock", "ssh://me@box:22/run/x.sock"),
            ("ssh://box", "ssh://box"),
        ];
        for (text, want) in table {
            assert_eq!(Host::parse(text).unwrap().to_string(), want, "{text}");
        }
    }

    #[test]
    fn bad_addresses_are_refused() {
        for text in [
            "gopher://x",
            "tcp://x:http",
            "ssh://-oProxyCommand=x",
            "ssh://a:b@c",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }
}
