//! How much a layer may ask for before it is refused.

/// Limits on one layer. They are far above what images have and far below what hurts a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries in the tar.
    pub entries: u64,
    /// Bytes of one path or link target.
    pub path_bytes: usize,
    /// Components of one path.
    pub depth: usize,
    /// Bytes of the uncompressed tar.
    pub tar_bytes: u64,
    /// Apparent bytes of all files together, holes of sparse files included.
    pub content_bytes: u64,
    /// Segments of one sparse file.
    pub segments: usize,
    /// Bytes of one extended header (PAX records, GNU long names).
    pub extended_bytes: u64,
    /// Bytes kept in memory about directories, whose times are set at the end.
    pub directory_bytes: usize,
    /// Bytes kept in memory about the tree of a layer that is stored as files.
    pub tree_bytes: usize,
}

impl Limits {
    /// The limits for layers from outside.
    pub const DEFAULT: Self = Self {
        entries: 4 << 20,
        path_bytes: 4095,
        depth: 256,
        tar_bytes: 1 << 40,
        content_bytes: 1 << 40,
        segments: 1 << 18,
        extended_bytes: 1 << 20,
        directory_bytes: 256 << 20,
        tree_bytes: 512 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
