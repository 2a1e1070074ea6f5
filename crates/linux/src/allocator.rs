//! How the C library's allocator keeps what is freed (mallopt(3)). Elsewhere than on glibc these do
//! nothing.

/// All threads share this many arenas. Each arena keeps what its threads have freed for itself, so that
/// a program of many threads that allocate little pays for their number.
///
/// glibc's own bound is eight for each processor.
pub fn share_arenas(count: u16) {
    set(Parameter::ArenaMax, count.into());
}

/// Blocks of at least this many bytes are mappings of their own, which go back to the kernel when they
/// are freed.
///
/// glibc raises its threshold (at first 128 KiB) to the size of each such block that is freed, up to
/// 32 MiB: from then on blocks of that size stay with the program.
pub fn map_blocks_from(bytes: u32) {
    set(Parameter::MmapThreshold, bytes);
}

/// What is free at the end of the heap goes back to the kernel once it is this many bytes.
pub fn trim_from(bytes: u32) {
    set(Parameter::TrimThreshold, bytes);
}

/// Gives the kernel back every whole page that is free (malloc_trim(3)). Takes as long as there is heap
/// to look through.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[derive(Clone, Copy)]
enum Parameter {
    ArenaMax,
    MmapThreshold,
    TrimThreshold,
}

#[cfg(target_env = "gnu")]
fn set(parameter: Parameter, value: u32) {
    let name = match parameter {
        Parameter::ArenaMax => libc::M_ARENA_MAX,
        Parameter::MmapThreshold => libc::M_MMAP_THRESHOLD,
        Parameter::TrimThreshold => libc::M_TRIM_THRESHOLD,
    };
    let value = libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX);
    // SAFETY: it takes the allocator's own lock and sets a number. One that it refuses changes nothing,
    // which costs memory and no more.
    unsafe { libc::mallopt(name, value) };
}

#[cfg(not(target_env = "gnu"))]
fn set(_: Parameter, _: u32) {}
