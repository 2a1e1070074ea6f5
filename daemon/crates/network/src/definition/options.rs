//! Driver options of a bridge network (`com.docker.network.*`). Options that nobody knows are kept
//! and told back, as dockerd does.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::DefinitionError;

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
    /// Known to dockerd; each changes who reaches what, so that it is refused rather than ignored.
    pub(crate) const NOT_BUILT: [&str; 2] = [
        "com.docker.network.host_ipv4",
        "com.docker.network.bridge.trusted_host_interfaces",
    ];
}

/// The greatest MTU of a bridge, in bytes.
const MTU_MAX: i64 = 65535;
/// The length of a device's name, without its NUL.
const NAME_MAX: usize = 15;

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
    pub(crate) host_binding: Option<Ipv4Addr>,
    /// The device gets no address; whoever has the gateway's address is elsewhere.
    pub(crate) inhibit_ipv4: bool,
    /// The host has no place in the network at all.
    pub(crate) isolated: bool,
    /// In bytes.
    pub(crate) mtu: Option<u32>,
    /// What the container's interfaces are called, before their number.
    pub(crate) interface_prefix: String,
}

impl BridgeOptions {
    /// Reads the options that the driver knows.
    pub(crate) fn read(options: &BTreeMap<String, String>) -> Result<Self, DefinitionError> {
        if let Some(key) = keys::NOT_BUILT
            .iter()
            .find(|key| options.contains_key(**key))
        {
            return Err(DefinitionError::NotBuilt(format!("network option {key}")));
        }
        let mode = |key: &str| options.get(key).map_or("", String::as_str);
        let [ipv4, ipv6] = keys::GATEWAY_MODES;
        let isolated = is_isolated(ipv4, mode(ipv4), &["routed", "nat-unprotected"])?;
        // Of the other modes of IPv6 none means anything without it.
        is_isolated(ipv6, mode(ipv6), &[])?;
        let text = |key: &str| options.get(key).filter(|value| !value.is_empty()).cloned();
        let name = text(keys::NAME);
        if name.as_ref().is_some_and(|name| name.len() > NAME_MAX) {
            return Err(DefinitionError::LongBridgeName);
        }
        Ok(Self {
            name,
            icc: boolean(options, keys::ICC, true)?,
            masquerade: boolean(options, keys::MASQUERADE, true)?,
            host_binding: host_binding(options)?,
            isolated,
            inhibit_ipv4: boolean(options, keys::INHIBIT_IPV4, false)?,
            mtu: mtu(options)?,
            interface_prefix: text(keys::INTERFACE_PREFIX).unwrap_or_else(|| "eth".to_owned()),
        })
    }
}

fn refused(key: &str, value: &str, why: String) -> DefinitionError {
    DefinitionError::Option {
        key: key.to_owned(),
        value: value.to_owned(),
        why,
    }
}

/// Reads a gateway mode, of which some are not built.
fn is_isolated(key: &str, mode: &str, not_built: &[&str]) -> Result<bool, DefinitionError> {
    match mode {
        "isolated" => Ok(true),
        mode if not_built.contains(&mode) => {
            Err(DefinitionError::NotBuilt(format!("gateway mode {mode}")))
        }
        "" | "nat" | "routed" | "nat-unprotected" => Ok(false),
        other => Err(refused(key, other, format!("unknown gateway mode {other}"))),
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

fn host_binding(options: &BTreeMap<String, String>) -> Result<Option<Ipv4Addr>, DefinitionError> {
    let Some(value) = options.get(keys::HOST_BINDING) else {
        return Ok(None);
    };
    match value.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(Some(address)),
        Ok(IpAddr::V6(_)) => Err(DefinitionError::NotBuilt(
            "publishing ports on IPv6 addresses".to_owned(),
        )),
        Err(_) => Err(refused(keys::HOST_BINDING, value, "nil ip".to_owned())),
    }
}
