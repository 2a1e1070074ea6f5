//! The kernel's capabilities by name and number (`linux/capability.h`).
//!
//! The one table that the daemon, which chooses a container's capabilities, and the runtime, which
//! sets them, both read. Deliberately not here: who gets which, and any system call.

/// All capabilities; a name's place is its number in the kernel.
pub const NAMES: [&str; 41] = [
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

/// The number of a capability by its full name, which is also its bit in a set.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    (0..)
        .zip(NAMES)
        .find_map(|(n, known)| (known == name).then_some(n))
}

/// The names in a set of bits, in the kernel's order; bits without a name are left out.
pub fn names(set: u64) -> impl Iterator<Item = &'static str> {
    (0..)
        .zip(NAMES)
        .filter_map(move |(number, name): (u32, _)| (set >> number & 1 == 1).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_s_place_is_its_number() {
        // From `linux/capability.h`: the first, one in the middle, the last.
        assert_eq!(number("CAP_CHOWN"), Some(0));
        assert_eq!(number("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(number("SYS_ADMIN"), None);
    }

    #[test]
    fn a_set_is_named_in_order() {
        let set = 1 << 21 | 1 | 1 << 63;
        assert_eq!(
            names(set).collect::<Vec<_>>(),
            ["CAP_CHOWN", "CAP_SYS_ADMIN"]
        );
    }
}
