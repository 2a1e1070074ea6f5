//! Architectures and their system call numbers.
//!
//! The numbers are data: `calls/<interface>.txt` has a line `name number` for each call, sorted by name.
//! As text they need no relocation when the program starts, and it starts once per container. A test
//! compares them with those of the `syscalls` crate.

/// One system call interface of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    /// `AUDIT_ARCH_*`, which the kernel tells the filter.
    pub(crate) audit: u32,
    /// x32 has the audit number of x86_64, and this bit in the numbers of its calls.
    pub(crate) bit: u32,
    /// Arguments have 32 bits.
    pub(crate) narrow: bool,
    /// Its calls: a line `name number` for each.
    calls: &'static str,
}

impl Architecture {
    /// The calls, to be looked up by name.
    pub(crate) fn calls(self) -> Calls {
        let call = |line: &'static str| {
            let (name, number) = line.split_once(' ')?;
            Some((name, number.parse().ok()?))
        };
        let mut calls = Calls {
            slots: vec![None; SLOTS],
        };
        for (name, number) in self.calls.lines().filter_map(call) {
            let slot = calls.slot(name);
            calls.slots[slot] = Some((name, number));
        }
        calls
    }
}

/// More than twice the calls of any interface; a power of two.
const SLOTS: usize = 1024;

/// The calls of one interface: a hash table with open addressing. Docker's profile asks it a thousand
/// times for each container, which was a noticeable part of the runtime's time as comparisons.
#[derive(Debug)]
pub(crate) struct Calls {
    slots: Vec<Option<(&'static str, u32)>>,
}

impl Calls {
    /// The number of a call, without the interface's bit.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.slots[self.slot(name)].map(|(_, number)| number)
    }

    /// Where the name is, or would be.
    fn slot(&self, name: &str) -> usize {
        // FNV-1a.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let mut slot = (hash ^ hash >> 16) as usize % SLOTS;
        while self.slots[slot].is_some_and(|(known, _)| known != name) {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        (self.audit, self.bit) == (other.audit, other.bit)
    }
}

/// Set in the number of a call made through the x32 interface.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

#[cfg(target_arch = "x86_64")]
pub(crate) const NAMES: [&str; 3] = ["SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"];
#[cfg(target_arch = "aarch64")]
pub(crate) const NAMES: [&str; 2] = ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];

/// The architectures of other machines: valid in a profile that is meant for several.
const FOREIGN: [&str; 22] = [
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",
    "SCMP_ARCH_SH",
];

/// What a name in a profile means here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Named {
    /// One of this machine's.
    Here(Architecture),
    /// Another machine's.
    Elsewhere,
    /// No architecture at all.
    Unknown,
}

#[cfg(target_arch = "x86_64")]
pub(crate) const NATIVE: Architecture = Architecture {
    audit: 0xc000_003e,
    bit: 0,
    narrow: false,
    calls: include_str!("calls/x86_64.txt"),
};
#[cfg(target_arch = "aarch64")]
pub(crate) const NATIVE: Architecture = Architecture {
    audit: 0xc000_00b7,
    bit: 0,
    narrow: false,
    calls: include_str!("calls/aarch64.txt"),
};

#[cfg(target_arch = "x86_64")]
const OTHERS: [(&str, Architecture); 2] = [
    (
        "SCMP_ARCH_X86",
        Architecture {
            audit: 0x4000_0003,
            bit: 0,
            narrow: true,
            calls: include_str!("calls/x86.txt"),
        },
    ),
    (
        "SCMP_ARCH_X32",
        Architecture {
            audit: 0xc000_003e,
            bit: X32_BIT,
            narrow: true,
            calls: include_str!("calls/x32.txt"),
        },
    ),
];
#[cfg(target_arch = "aarch64")]
const OTHERS: [(&str, Architecture); 1] = [(
    "SCMP_ARCH_ARM",
    Architecture {
        audit: 0x4000_0028,
        bit: 0,
        narrow: true,
        calls: include_str!("calls/arm.txt"),
    },
)];

#[cfg(target_arch = "x86_64")]
const NATIVE_NAME: &str = "SCMP_ARCH_X86_64";
#[cfg(target_arch = "aarch64")]
const NATIVE_NAME: &str = "SCMP_ARCH_AARCH64";

/// Looks a name up.
pub(crate) fn named(name: &str) -> Named {
    if name == NATIVE_NAME || name == "SCMP_ARCH_NATIVE" {
        return Named::Here(NATIVE);
    }
    match OTHERS.iter().find(|(known, _)| *known == name) {
        Some((_, architecture)) => Named::Here(*architecture),
        None if FOREIGN.contains(&name) => Named::Elsewhere,
        None => Named::Unknown,
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
