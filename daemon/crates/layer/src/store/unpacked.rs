//! Layers that are directories.
//!
//! ```text
//! layers/<chain, 64 hex>/
//!     fs/           the files, as overlay wants them
//!     recipe        what makes the exact tar again, together with fs/ (recipe.rs)
//!     kept/<n>      contents that a later entry of the same tar replaced; rarely there
//!     layer.json    what is known of the layer
//! ```

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, fchmod};

use super::error::{LayerError, failed};
use super::layers::{make_private, open_directory};
use crate::extract::{Target, extract};
use crate::{Limits, pipeline};

/// What is known of a layer that was unpacked.
pub(super) struct Unpacked {
    pub(super) content_bytes: u64,
    pub(super) opaque_root: bool,
    pub(super) implied: Vec<Vec<u8>>,
}

/// Unpacks into the directory `path`, which exists and is empty.
pub(super) fn stage(
    path: &Path,
    source: &mut (dyn Read + Send),
    limits: Limits,
) -> Result<(pipeline::SourceRead, Unpacked), LayerError> {
    make_private(&path.join("fs"))?;
    make_private(&path.join("kept"))?;
    let root = open_directory(&path.join("fs"))?;
    fchmod(&root, Mode::from_raw_mode(0o755)).map_err(failed("change the mode of", path))?;
    let recipe = path.join("recipe");
    let target = Target {
        root,
        kept: open_directory(&path.join("kept"))?,
        recipe: File::create_new(&recipe).map_err(failed("create", &recipe))?,
    };
    let (read, extracted) = pipeline::run(source, |pieces| extract(pieces, target, limits))?;
    let extracted = extracted?;
    let finished = extracted.recipe.finish(read.diff_id.digest());
    finished.map_err(failed("write", &recipe))?;
    if extracted.kept == 0 {
        let kept = path.join("kept");
        std::fs::remove_dir(&kept).map_err(failed("remove", kept))?;
    }
    let unpacked = Unpacked {
        content_bytes: extracted.content_bytes,
        opaque_root: extracted.opaque_root,
        implied: extracted.implied,
    };
    Ok((read, unpacked))
}
