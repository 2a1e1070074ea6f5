//! Capabilities by name, as the kernel's bits.

use crate::spec::Capabilities;

/// The five sets, as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CapabilitySets {
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) inheritable: u64,
    pub(crate) permitted: u64,
    pub(crate) ambient: u64,
}

impl CapabilitySets {
    /// What is in any of the sets.
    pub(crate) fn all(self) -> u64 {
        self.bounding | self.effective | self.inheritable | self.permitted | self.ambient
    }

    /// The sets without what is not in `available`, and the names of what was taken out.
    pub(crate) fn limited_to(self, available: u64) -> (Self, Vec<&'static str>) {
        let Self {
            bounding,
            effective,
            inheritable,
            permitted,
            ambient,
        } = self;
        let missing = self.all() & !available;
        let limited = Self {
            bounding: bounding & available,
            effective: effective & available,
            inheritable: inheritable & available,
            permitted: permitted & available,
            ambient: ambient & available,
        };
        (limited, gantry_capabilities::names(missing).collect())
    }
}

/// The sets of a configuration. Unknown names are left out with one warning, as runc does.
pub(crate) fn plan(configured: &Capabilities, warnings: &mut Vec<String>) -> CapabilitySets {
    let mut unknown: Vec<String> = Vec::new();
    let mut bits = |names: &[String]| -> u64 {
        let mut set = 0;
        for name in names {
            match gantry_capabilities::number(name) {
                Some(bit) => set |= 1 << bit,
                None => unknown.push(name.clone()),
            }
        }
        set
    };
    let sets = CapabilitySets {
        bounding: bits(&configured.bounding),
        effective: bits(&configured.effective),
        inheritable: bits(&configured.inheritable),
        permitted: bits(&configured.permitted),
        ambient: bits(&configured.ambient),
    };
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        warnings.push(format!(
            "ignoring unknown or unavailable capabilities: [{}]",
            unknown.join(" ")
        ));
    }
    sets
}
