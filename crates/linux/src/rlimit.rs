//! Resource limits by the kernel's number, which is how the OCI specification's names map to them.

use std::io;

/// `RLIM_INFINITY`.
pub const INFINITY: u64 = libc::RLIM_INFINITY;

/// Sets a limit of the calling process (`setrlimit(2)`).
///
/// # Errors
/// `EPERM` when the hard limit is raised without CAP_SYS_RESOURCE, `EINVAL` for soft above hard.
pub fn set(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the kernel reads one `rlimit`.
    let result = unsafe { libc::setrlimit(resource, &raw const limit) };
    crate::check(libc::c_long::from(result)).map(drop)
}
