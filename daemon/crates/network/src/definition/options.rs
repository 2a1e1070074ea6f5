//! Driver options of a bridge network (`com.docker.network.*`). Options that nobody knows are kept
//! and told back, as dockerd does.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::DefinitionError;
use crate::store::Family;

/// The names of options that this driver knows.
pub(crate) mod keys {
    pub(crate) const NAME: &str = "com.docker.network.bridge.name";
    pub(crate) const ICC: &str = "com.docker.network.bridge.enable_icc";
    pub(crate) const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
    pub(crate) const HOST_BINDING: &str = "com.docker.network.bridge.host_binding_ipv4";
    pub(crate) const INHIBIT_IPV4: &str = "com.docker.network.bridge.inhibit_ipv4";
    pub(crate) const MTU: &str = "com.docker.network.driver.mtu";
    pub(crate) const INTERFACE_PREFIX: &str = "com.docker.network.container_iface_prefix";
    pub(crate) const GATEWAY_MODES: [&str; 2] = [
        "com.docker.network.bridge.gateway_mode_ipv4",
        "com.docker.network.bridge.gateway_mode_ipv6",
    ];
    pub(crate) const HOST_ADDRESSES: [&str; 2] = [
        "com.docker.network.host_ipv4",
        "com.docker.network.host_ipv6",
    ];
    pub(crate) const TRUSTED: &str = "com.docker.network.bridge.trusted_host_interfaces";
}

/// The greatest MTU of a bridge, in bytes.
const MTU_MAX: i64 = 65535;
/// The length of a device's name, without its NUL.
const NAME_MAX: usize = 15;

/// How the host stands between a network and others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GatewayMode {
    /// Containers hide behind the host; others reach published ports, at the host's addresses.
    #[default]
    Nat,
    /// As `Nat`, and others reach every port at the container's own address.
    NatUnprotected,
    /// Nothing is rewritten; others reach published ports at the container's own address.
    Routed,
    /// The host has no place in the network at all.
    Isolated,
}

/// What the options say about one family of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FamilyOptions {
    pub(crate) mode: GatewayMode,
    /// The host's address that containers hide behind, in place of that of the device they leave by.
    pub(crate) host_address: Option<IpAddr>,
}

/// What the options of a bridge network say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BridgeOptions {
    /// The device's name, if a user chose it.
    pub(crate) name: Option<String>,
    /// May containers talk to each other?
    pub(crate) icc: bool,
    /// Hide containers behind the host's addresses?
    pub(crate) masquerade: bool,
    /// Host address of published ports that name none.
    pub(crate) host_binding: Option<IpAddr>,
    /// The device gets no IPv4 address; whoever has the gateway's address is elsewhere.
    pub(crate) inhibit_ipv4: bool,
    /// Of IPv4 and IPv6.
    pub(crate) families: [FamilyOptions; 2],
    /// What comes by these devices of the host reaches published ports at the container's own address.
    pub(crate) trusted: Vec<String>,
    /// In bytes.
    pub(crate) mtu: Option<u32>,
    /// What the container's interfaces are called, before their number.
    pub(crate) interface_prefix: String,
}

impl BridgeOptions {
    /// Reads the options that the driver knows.
    pub(crate) fn read(options: &BTreeMap<String, String>) -> Result<Self, DefinitionError> {
        let text = |key: &str| options.get(key).filter(|value| !value.is_empty()).cloned();
        let name = text(keys::NAME);
        if name.as_ref().is_some_and(|name| name.len() > NAME_MAX) {
            return Err(DefinitionError::LongBridgeName);
        }
        let trusted = text(keys::TRUSTED).unwrap_or_default();
        let trusted = trusted.split(':').filter(|name| !name.is_empty());
        Ok(Self {
            name,
            icc: boolean(options, keys::ICC, true)?,
            masquerade: boolean(options, keys::MASQUERADE, true)?,
            host_binding: address(options, keys::HOST_BINDING)?,
            families: [family(options, 0)?, family(options, 1)?],
            inhibit_ipv4: boolean(options, keys::INHIBIT_IPV4, false)?,
            trusted: trusted.map(str::to_owned).collect(),
            mtu: mtu(options)?,
            interface_prefix: text(keys::INTERFACE_PREFIX).unwrap_or_else(|| "eth".to_owned()),
        })
    }

    /// What they say about one family.
    pub(crate) fn of(&self, family: Family) -> &FamilyOptions {
        match family {
            Family::V4 => &self.families[0],
            Family::V6 => &self.families[1],
        }
    }

    /// Is the host kept out, in either family?
    pub(crate) fn isolated(&self) -> bool {
        self.families
            .iter()
            .any(|f| f.mode == GatewayMode::Isolated)
    }
}

fn family(
    options: &BTreeMap<String, String>,
    index: usize,
) -> Result<FamilyOptions, DefinitionError> {
    let key = keys::GATEWAY_MODES[index];
    let mode = match options.get(key).map_or("", String::as_str) {
        "" | "nat" => GatewayMode::Nat,
        "nat-unprotected" => GatewayMode::NatUnprotected,
        "routed" => GatewayMode::Routed,
        "isolated" => GatewayMode::Isolated,
        other => return Err(refused(key, other, format!("unknown gateway mode {other}"))),
    };
    let key = keys::HOST_ADDRESSES[index];
    let host_address = address(options, key)?;
    if let Some(address) = host_address
        && address.is_ipv4() != (index == 0)
    {
        let why = "an address of the other family".to_owned();
        return Err(refused(key, &address.to_string(), why));
    }
    Ok(FamilyOptions { mode, host_address })
}

fn refused(key: &str, value: &str, why: String) -> DefinitionError {
    DefinitionError::Option {
        key: key.to_owned(),
        value: value.to_owned(),
        why,
    }
}

/// As Go's `strconv.ParseBool`; an empty text is an error there too.
fn boolean(
    options: &BTreeMap<String, String>,
    key: &str,
    default: bool,
) -> Result<bool, DefinitionError> {
    let Some(value) = options.get(key) else {
        return Ok(default);
    };
    match value.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => {
            let why = format!("strconv.ParseBool: parsing {value:?}: invalid syntax");
            Err(refused(key, value, why))
        }
    }
}

fn mtu(options: &BTreeMap<String, String>) -> Result<Option<u32>, DefinitionError> {
    let Some(value) = options.get(keys::MTU) else {
        return Ok(None);
    };
    let number: i64 = value.parse().map_err(|_| {
        let why = format!("strconv.Atoi: parsing {value:?}: invalid syntax");
        refused(keys::MTU, value, why)
    })?;
    match number {
        0 => Ok(None),
        ..0 => Err(DefinitionError::Mtu(number)),
        1..=MTU_MAX => Ok(u32::try_from(number).ok()),
        _ => Err(DefinitionError::MtuRange),
    }
}

fn address(
    options: &BTreeMap<String, String>,
    key: &str,
) -> Result<Option<IpAddr>, DefinitionError> {
    let Some(value) = options.get(key) else {
        return Ok(None);
    };
    let parsed = value.parse().map(Some);
    parsed.map_err(|_| refused(key, value, "nil ip".to_owned()))
}
