//! Published ports as they are asked for and as they were settled.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Transport protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// IPPROTO_TCP.
    Tcp,
    /// IPPROTO_UDP.
    Udp,
    /// IPPROTO_SCTP.
    Sctp,
}

impl Protocol {
    /// As in `80/tcp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which host port is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPort {
    /// Any free port of the ephemeral range (`-p 80`, `-P`).
    Any,
    /// Exactly this one.
    Exact(u16),
    /// The first free one of `first..=last` (`-p 8000-8010:80`).
    FirstFree {
        /// Lowest candidate.
        first: u16,
        /// Highest candidate.
        last: u16,
    },
}

/// One entry of `HostConfig.PortBindings`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Port inside the container.
    pub container_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Host address; `None` stands for the engine's default binding (`--ip`), and for both families
    /// where that is every address.
    pub host_ip: Option<IpAddr>,
    /// Wanted host port.
    pub host_port: HostPort,
}

/// A published port whose host side is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Port inside the container.
    pub container_port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Host address; `0.0.0.0` and `::` mean every address of the host of their family.
    pub host_ip: IpAddr,
    /// Port on the host; 0 where the container's own is open to other machines (gateway mode `routed`).
    pub host_port: u16,
}

impl PublishedPort {
    /// Is it the same port of the host, whatever it leads to?
    pub(crate) fn same_on_host(&self, other: &Self) -> bool {
        (self.protocol, self.host_ip, self.host_port)
            == (other.protocol, other.host_ip, other.host_port)
    }
}

/// A port specification of the API could not be read. The texts are dockerd's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortSyntaxError {
    /// Not `PORT[/PROTO]`.
    #[error("invalid port specification: {0:?}")]
    ContainerPort(String),
    /// Not `PORT` or `PORT-PORT`.
    #[error("invalid port specification: {0:?}")]
    HostPort(String),
    /// Not an address.
    #[error("invalid IP address: {0}")]
    HostIp(String),
}

impl PortRequest {
    /// Reads one binding of `PortBindings`: key `80/tcp`, `HostIp` and `HostPort` (both may be empty).
    pub fn parse(container: &str, host_ip: &str, host_port: &str) -> Result<Self, PortSyntaxError> {
        let (container_port, protocol) = parse_container_port(container)?;
        Ok(Self {
            container_port,
            protocol,
            host_ip: parse_host_ip(host_ip)?,
            host_port: parse_host_port(host_port)?,
        })
    }
}

fn parse_container_port(text: &str) -> Result<(u16, Protocol), PortSyntaxError> {
    let invalid = || PortSyntaxError::ContainerPort(text.to_owned());
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return Err(invalid()),
    };
    let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(invalid)?;
    Ok((port, protocol))
}

fn parse_host_ip(text: &str) -> Result<Option<IpAddr>, PortSyntaxError> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| PortSyntaxError::HostIp(text.to_owned()))
}

fn parse_host_port(text: &str) -> Result<HostPort, PortSyntaxError> {
    let invalid = || PortSyntaxError::HostPort(text.to_owned());
    let number = |t: &str| t.parse::<u16>().map_err(|_| invalid());
    if text.is_empty() {
        return Ok(HostPort::Any);
    }
    let Some((first, last)) = text.split_once('-') else {
        return Ok(match number(text)? {
            0 => HostPort::Any,
            port => HostPort::Exact(port),
        });
    };
    let (first, last) = (number(first)?, number(last)?);
    match (first, last) {
        (0, 0) => Ok(HostPort::Any),
        (0, _) => Err(invalid()),
        _ if first > last => Err(invalid()),
        _ if first == last => Ok(HostPort::Exact(first)),
        _ => Ok(HostPort::FirstFree { first, last }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(container: &str, ip: &str, port: &str) -> Result<PortRequest, PortSyntaxError> {
        PortRequest::parse(container, ip, port)
    }

    #[test]
    fn bindings_are_read_as_the_api_writes_them() {
        let web = parse("80/tcp", "", "8080").unwrap();
        let exact = HostPort::Exact(8080);
        assert_eq!(
            (web.container_port, web.protocol, web.host_ip),
            (80, Protocol::Tcp, None)
        );
        assert_eq!(web.host_port, exact);
        assert_eq!(parse("80", "", "8080-8080").unwrap().host_port, exact);
        assert_eq!(parse("53/UDP", "", "").unwrap().protocol, Protocol::Udp);
        assert_eq!(parse("9/sctp", "", "0").unwrap().host_port, HostPort::Any);
        let range = HostPort::FirstFree {
            first: 8000,
            last: 8010,
        };
        assert_eq!(parse("80/tcp", "", "8000-8010").unwrap().host_port, range);
        assert_eq!(
            parse("80/tcp", "127.0.0.1", "1").unwrap().host_ip,
            Some(IpAddr::from([127, 0, 0, 1]))
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let local = parse("80/tcp", "::1", "").unwrap();
        assert_eq!(local.host_ip, Some("::1".parse().unwrap()));
        for container in ["", "0/tcp", "65536/tcp", "80/icmp", "x/tcp", "80-81/tcp"] {
            let wanted = PortSyntaxError::ContainerPort(container.to_owned());
            assert_eq!(parse(container, "", ""), Err(wanted));
        }
        for port in ["x", "-", "1-", "-1", "2-1", "0-5", "65536", "1-2-3"] {
            assert_eq!(
                parse("80/tcp", "", port),
                Err(PortSyntaxError::HostPort(port.to_owned()))
            );
        }
        let ip = |ip: &str| parse("80/tcp", ip, "").unwrap_err();
        assert_eq!(
            ip("localhost"),
            PortSyntaxError::HostIp("localhost".to_owned())
        );
    }
}
