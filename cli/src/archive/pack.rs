//! Packs a local file or folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

/// Writes the archive of `source`; its top entry is called `top` (`.` for a folder's content).
pub(crate) fn pack(source: &Path, top: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut builder = Builder::new(out);
    builder.follow_symlinks(false);
    // Not every reader of the far side knows GNU's sparse entries.
    builder.sparse(false);
    append(&mut builder, source, Path::new(top))?;
    builder.into_inner()?.flush()
}

fn append(builder: &mut Builder<&mut dyn Write>, source: &Path, name: &Path) -> io::Result<()> {
    if !append_one(builder, source, name)? {
        return Ok(());
    }
    let mut children: Vec<PathBuf> = fs::read_dir(source)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    children.sort();
    for child in children {
        let Some(base) = child.file_name() else {
            continue;
        };
        append(builder, &child, &name.join(base))?;
    }
    Ok(())
}

/// Appends a file, or a folder without what is in it; answers whether it is a folder.
pub(crate) fn append_one(
    builder: &mut Builder<&mut dyn Write>,
    source: &Path,
    name: &Path,
) -> io::Result<bool> {
    let kind = fs::symlink_metadata(source)?.file_type();
    if kind.is_dir() {
        builder.append_dir(name, source)?;
        return Ok(true);
    }
    if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
        append_special(builder, source, name)?;
    } else if !kind.is_socket() {
        // A socket is nothing without its listener.
        builder.append_path_with_name(source, name)?;
    }
    Ok(false)
}

/// A FIFO or a device: a header and nothing behind it.
fn append_special(
    builder: &mut Builder<&mut dyn Write>,
    source: &Path,
    name: &Path,
) -> io::Result<()> {
    let found = fs::symlink_metadata(source)?;
    let mut header = Header::new_gnu();
    header.set_metadata(&found);
    let kind = found.file_type();
    if kind.is_fifo() {
        header.set_entry_type(EntryType::Fifo);
    } else {
        let device = found.rdev();
        header.set_entry_type(if kind.is_block_device() {
            EntryType::Block
        } else {
            EntryType::Char
        });
        header.set_device_major(rustix::fs::major(device))?;
        header.set_device_minor(rustix::fs::minor(device))?;
    }
    header.set_size(0);
    builder.append_data(&mut header, name, io::empty())
}
