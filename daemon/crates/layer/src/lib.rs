//! Layers: applying, storing and stacking them.
//!
//! Owns the extraction of a layer's tar (security code: a layer is hostile until proved otherwise),
//! the content-addressed store of layers, unpacked or as tars with an EROFS index, the recipe from
//! which an unpacked layer's exact bytes are made again, and the overlay mounts of a container. Deliberately not here: images, references and
//! what is in use (`gantry-image`), and mounting for a container, which its shim does
//! (ADR 3).

mod chain;
mod diff;
mod erofs;
mod extract;
mod limits;
mod measure;
mod overlay;
mod packing;
mod pipeline;
mod reassemble;
mod recipe;
mod rootfs;
mod store;
mod tar;
mod tree;

pub use chain::{ChainId, DiffId};
pub use diff::{write_diff, write_diff_until, write_diff_without};
pub use extract::{EntryError, ExtractError};
pub use limits::Limits;
pub use measure::disk_bytes;
pub use packing::{GzipBlocks, Packer, Packing, PackingError};
pub use pipeline::{Compression, SourceError, decompress};
pub use rootfs::{Mount, Rootfs};
pub use store::{
    Fault, Form, Layer, LayerError, LayerOptions, LayerStore, Layers, Lease, Lowers, Staged,
    StagedLayer,
};
pub use tar::{Entry, Kind, Segment, SparseMap, SparseRecords, TarError, TarReader, Timestamp};
pub use tree::{Tree, bytes_in};
