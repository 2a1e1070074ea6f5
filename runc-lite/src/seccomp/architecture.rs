//! Architectures and their system call numbers.

use std::str::FromStr;

/// One system call interface of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    /// `AUDIT_ARCH_*`, which the kernel tells the filter.
    pub(crate) audit: u32,
    /// x32 has the audit number of x86_64, and this bit in the numbers of its calls.
    pub(crate) bit: u32,
    /// Arguments have 32 bits.
    pub(crate) narrow: bool,
    /// The number of a call.
    pub(crate) number: fn(&str) -> Option<u32>,
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
    number: x86_64,
};
#[cfg(target_arch = "aarch64")]
pub(crate) const NATIVE: Architecture = Architecture {
    audit: 0xc000_00b7,
    bit: 0,
    narrow: false,
    number: aarch64,
};

#[cfg(target_arch = "x86_64")]
const OTHERS: [(&str, Architecture); 2] = [
    (
        "SCMP_ARCH_X86",
        Architecture {
            audit: 0x4000_0003,
            bit: 0,
            narrow: true,
            number: x86,
        },
    ),
    (
        "SCMP_ARCH_X32",
        Architecture {
            audit: 0xc000_003e,
            bit: X32_BIT,
            narrow: true,
            number: x32,
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
        number: arm,
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

#[cfg(target_arch = "x86_64")]
fn x86_64(name: &str) -> Option<u32> {
    Some(syscalls::x86_64::Sysno::from_str(name).ok()? as u32)
}

#[cfg(target_arch = "x86_64")]
fn x86(name: &str) -> Option<u32> {
    Some(syscalls::x86::Sysno::from_str(name).ok()? as u32)
}

#[cfg(target_arch = "aarch64")]
fn aarch64(name: &str) -> Option<u32> {
    Some(syscalls::aarch64::Sysno::from_str(name).ok()? as u32)
}

#[cfg(target_arch = "aarch64")]
fn arm(name: &str) -> Option<u32> {
    Some(syscalls::arm::Sysno::from_str(name).ok()? as u32)
}

/// Calls whose arguments differ between x32 and x86_64 have numbers of their own
/// (`arch/x86/entry/syscalls/syscall_64.tbl`, ABI `x32`), from 512 on in this order.
#[cfg(target_arch = "x86_64")]
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// Calls of x86_64 that x32 does not have in any form (ABI `64` in the same table).
#[cfg(target_arch = "x86_64")]
const X32_LACKS: [&str; 11] = [
    "_sysctl",
    "create_module",
    "epoll_ctl_old",
    "epoll_wait_old",
    "get_kernel_syms",
    "get_thread_area",
    "nfsservctl",
    "query_module",
    "set_thread_area",
    "uselib",
    "vserver",
];

#[cfg(target_arch = "x86_64")]
fn x32(name: &str) -> Option<u32> {
    if X32_LACKS.contains(&name) {
        return None;
    }
    let own = X32_OWN.iter().position(|known| *known == name);
    let number = match own {
        Some(position) => 512 + u32::try_from(position).ok()?,
        None => x86_64(name)?,
    };
    Some(number | X32_BIT)
}
