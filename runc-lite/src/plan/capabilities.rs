//! Capabilities by name, as the kernel's bits.

use crate::spec::Capabilities;

/// All capabilities, in the kernel's order.
pub(crate) const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

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
        let names = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| missing >> bit & 1 == 1);
        let limited = Self {
            bounding: bounding & available,
            effective: effective & available,
            inheritable: inheritable & available,
            permitted: permitted & available,
            ambient: ambient & available,
        };
        (limited, names.map(|(_, name)| *name).collect())
    }
}

/// The sets of a configuration. Unknown names are left out with one warning, as runc does.
pub(crate) fn plan(configured: &Capabilities, warnings: &mut Vec<String>) -> CapabilitySets {
    let mut unknown: Vec<String> = Vec::new();
    let mut bits = |names: &[String]| -> u64 {
        let mut set = 0;
        for name in names {
            match NAMES.iter().position(|known| known == name) {
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
