//! Ports: exposed, bound, and as list tells them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::json::{List, Map};

/// Bindings by the container's port, as `80/tcp`; a nil list: exposed and not bound.
pub type PortMap = Map<List<PortBinding>>;

/// Where a port is bound on the host; both parts may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortBinding {
    /// Empty: every address.
    pub host_ip: String,
    /// A port, or a range to choose from (`8000-8010`); empty: an ephemeral one.
    pub host_port: String,
    /// Gantry's own, told of a running container and never asked for: who can reach it (`local`, `lan`,
    /// `world`).
    #[serde(skip_deserializing, skip_serializing_if = "String::is_empty")]
    pub reach: String,
}

/// A port in `GET /containers/json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortSummary {
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    pub private_port: u16,
    #[serde(skip_serializing_if = "is_zero_port")]
    pub public_port: u16,
    #[serde(rename = "Type")]
    pub protocol: String,
    /// Gantry's own: who can reach it (`local`, `lan`, `world`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reach: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero_port(port: &u16) -> bool {
    *port == 0
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of the container: the key of a [`PortMap`], `80/tcp` (`80` means TCP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// 1 to 65535.
    pub number: u16,
    /// TCP where the text says nothing.
    pub protocol: Protocol,
}

impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// Text that is not a port or a range of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPort {
    /// The number is missing, not a number, 0 where a port must be, or above 65535.
    #[error("invalid port specification: \"{0}\"")]
    Port(String),
    /// A range that ends before it begins.
    #[error("invalid range specified for port: \"{0}\"")]
    Range(String),
    /// Neither tcp, udp nor sctp.
    #[error("invalid protocol: \"{0}\"")]
    Protocol(String),
}

impl FromStr for Protocol {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        match text.to_ascii_lowercase().as_str() {
            "" | "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(InvalidPort::Protocol(text.to_owned())),
        }
    }
}

impl FromStr for ContainerPort {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, ""));
        let number = parse_port(number).filter(|n| *n != 0);
        let number = number.ok_or_else(|| InvalidPort::Port(text.to_owned()))?;
        Ok(Self {
            number,
            protocol: protocol.parse()?,
        })
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A range of ports, both ends included: `8000-8010` or `8000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port, not below the first.
    pub last: u16,
}

impl PortRange {
    /// How many ports it holds; never 0.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }
}

impl FromStr for PortRange {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let invalid = || InvalidPort::Port(text.to_owned());
        let first = parse_port(first).ok_or_else(invalid)?;
        let last = parse_port(last).ok_or_else(invalid)?;
        if last < first {
            return Err(InvalidPort::Range(text.to_owned()));
        }
        Ok(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_protocol_is_tcp() {
        let port: ContainerPort = "80".parse().unwrap();
        assert_eq!(port.to_string(), "80/tcp");
        assert_eq!(
            "53/UDP".parse::<ContainerPort>().unwrap().to_string(),
            "53/udp"
        );
    }

    #[test]
    fn bad_ports_are_refused_with_their_text() {
        for text in ["", "0", "x", "-1", "65536", "80/icmp", "1-2"] {
            assert!(text.parse::<ContainerPort>().is_err(), "{text}");
        }
        let error = "9-8".parse::<PortRange>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid range specified for port: \"9-8\""
        );
        assert_eq!("0-65535".parse::<PortRange>().unwrap().count(), 65536);
    }
}
