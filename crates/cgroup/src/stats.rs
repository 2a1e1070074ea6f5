//! What a control group has used: one set of types for both versions.
//!
//! Units are in the names: bytes, nanoseconds, counts. What a kernel or version does not tell is 0
//! or `None`, as said at the field.

/// Everything at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Tasks.
    pub pids: PidsStats,
    /// Block devices.
    pub io: IoStats,
    /// Huge pages, one entry per page size.
    pub hugetlb: Vec<HugetlbStats>,
}

/// Processor time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Total.
    pub usage_ns: u64,
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
    /// Per processor; empty on v2.
    pub per_cpu_ns: Vec<u64>,
    /// How often the quota ran out.
    pub throttling: Throttling,
}

/// What the quota did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Throttling {
    /// Periods that passed.
    pub periods: u64,
    /// Periods in which the quota ran out.
    pub throttled_periods: u64,
    /// Time spent waiting for quota.
    pub throttled_ns: u64,
}

/// Memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// In use, page cache included.
    pub usage_bytes: u64,
    /// The most there ever was; 0 on a v2 kernel without `memory.peak`.
    pub peak_bytes: u64,
    /// The limit; `None` for none.
    pub limit_bytes: Option<u64>,
    /// How often the limit was hit.
    pub fail_count: u64,
    /// Swap in use. On v1 memory and swap together, as the kernel counts there.
    pub swap_usage_bytes: u64,
    /// The limit of the same; `None` for none.
    pub swap_limit_bytes: Option<u64>,
    /// Kernel memory in use.
    pub kernel_usage_bytes: u64,
    /// How often the kernel killed a process here for lack of memory.
    pub oom_kills: u64,
    /// `memory.stat` as the kernel writes it, in its order.
    pub details: Vec<(String, u64)>,
}

impl MemoryStats {
    /// A line of `memory.stat`, 0 if the kernel does not write it.
    pub fn detail(&self, key: &str) -> u64 {
        crate::file::value(&self.details, key)
    }

    /// The page cache (v1 `cache`, v2 `file`).
    pub fn cache_bytes(&self) -> u64 {
        self.detail("cache").max(self.detail("file"))
    }
}

/// Tasks (threads).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PidsStats {
    /// Now.
    pub current: u64,
    /// The limit; `None` for none.
    pub limit: Option<u64>,
}

/// Block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Bytes by device and operation.
    pub service_bytes: Vec<IoRecord>,
    /// Operations by device and operation.
    pub serviced: Vec<IoRecord>,
}

/// One device and operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoRecord {
    /// Major device number.
    pub major: u64,
    /// Minor device number.
    pub minor: u64,
    /// Which operation.
    pub operation: IoOperation,
    /// Bytes or operations.
    pub value: u64,
}

/// Kinds of block I/O, named as v1 names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoOperation {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Synchronous ones (v1).
    Sync,
    /// Asynchronous ones (v1).
    Async,
    /// Discards.
    Discard,
    /// All (v1).
    Total,
}

impl IoOperation {
    /// The kernel's word on v1, which Docker's API and containerd use too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Sync => "Sync",
            Self::Async => "Async",
            Self::Discard => "Discard",
            Self::Total => "Total",
        }
    }
}

/// Huge pages of one size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HugetlbStats {
    /// The page size as the kernel writes it, `2MB`.
    pub page_size: String,
    /// In use.
    pub usage_bytes: u64,
    /// The most there ever was; 0 on v2.
    pub peak_bytes: u64,
    /// How often the limit was hit.
    pub fail_count: u64,
}
