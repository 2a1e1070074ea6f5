//! Driver options of a macvlan network.

use std::collections::BTreeMap;

use gantry_netlink::route::MacvlanMode;

use super::DefinitionError;

/// What the options of a macvlan network say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MacvlanOptions {
    /// A device of the host's.
    pub(crate) parent: String,
    pub(crate) mode: MacvlanMode,
}

impl MacvlanOptions {
    /// Reads the options that the driver knows.
    pub(crate) fn read(options: &BTreeMap<String, String>) -> Result<Self, DefinitionError> {
        let text = |key: &str| options.get(key).map_or("", String::as_str);
        let parent = text("parent");
        if parent.is_empty() {
            return Err(DefinitionError::NotBuilt(
                "a macvlan network without a parent".to_owned(),
            ));
        }
        let mode = match text("macvlan_mode") {
            "" | "bridge" => MacvlanMode::Bridge,
            "private" => MacvlanMode::Private,
            "vepa" => MacvlanMode::Vepa,
            "passthru" => MacvlanMode::Passthru,
            other => return Err(DefinitionError::MacvlanMode(other.to_owned())),
        };
        Ok(Self {
            parent: parent.to_owned(),
            mode,
        })
    }
}
