//! Driver options of networks on a device of the host's: macvlan and ipvlan.

use std::collections::BTreeMap;

use gantry_netlink::route::{IpvlanFlag, IpvlanMode, MacvlanMode};

use super::DefinitionError;

/// What the options of a macvlan network say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MacvlanOptions {
    /// A device of the host's; one of the engine's own that leads nowhere if `None`.
    pub(crate) parent: Option<String>,
    pub(crate) mode: MacvlanMode,
}

impl MacvlanOptions {
    /// Reads the options that the driver knows.
    pub(crate) fn read(options: &BTreeMap<String, String>) -> Result<Self, DefinitionError> {
        let mode = match text(options, "macvlan_mode") {
            "" | "bridge" => MacvlanMode::Bridge,
            "private" => MacvlanMode::Private,
            "vepa" => MacvlanMode::Vepa,
            "passthru" => MacvlanMode::Passthru,
            other => return Err(DefinitionError::MacvlanMode(other.to_owned())),
        };
        Ok(Self {
            parent: parent(options, "macvlan")?,
            mode,
        })
    }
}

/// What the options of an ipvlan network say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IpvlanOptions {
    /// A device of the host's; one of the engine's own that leads nowhere if `None`.
    pub(crate) parent: Option<String>,
    pub(crate) mode: IpvlanMode,
    pub(crate) flag: IpvlanFlag,
}

impl IpvlanOptions {
    /// Reads the options that the driver knows.
    pub(crate) fn read(options: &BTreeMap<String, String>) -> Result<Self, DefinitionError> {
        let mode = match text(options, "ipvlan_mode") {
            "" | "l2" => IpvlanMode::L2,
            "l3" => IpvlanMode::L3,
            "l3s" => IpvlanMode::L3s,
            other => return Err(DefinitionError::IpvlanMode(other.to_owned())),
        };
        let flag = match text(options, "ipvlan_flag") {
            "" | "bridge" => IpvlanFlag::Bridge,
            "private" => IpvlanFlag::Private,
            "vepa" => IpvlanFlag::Vepa,
            other => return Err(DefinitionError::IpvlanFlag(other.to_owned())),
        };
        Ok(Self {
            parent: parent(options, "ipvlan")?,
            mode,
            flag,
        })
    }
}

fn text<'a>(options: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    options.get(key).map_or("", String::as_str)
}

fn parent(
    options: &BTreeMap<String, String>,
    driver: &'static str,
) -> Result<Option<String>, DefinitionError> {
    match text(options, "parent") {
        "" => Ok(None),
        "lo" => Err(DefinitionError::LoopbackParent(driver)),
        parent => Ok(Some(parent.to_owned())),
    }
}

/// `eth0.10`: the device and the tag of a device that can be made on it.
pub(crate) fn tagged(name: &str) -> Option<(&str, u16)> {
    let (device, tag) = name.rsplit_once('.')?;
    let tag: u16 = tag.parse().ok()?;
    (!device.is_empty() && (1..=4094).contains(&tag)).then_some((device, tag))
}
