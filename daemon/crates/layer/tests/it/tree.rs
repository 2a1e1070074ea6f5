//! A directory tree as text, one line per file, so that two trees can be compared.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Every file beneath `root` (and the root as `.`), sorted: type, mode, owner, size, time, links,
/// target, device, content hash.
pub(crate) fn describe(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    visit(root, root, &mut lines);
    lines.sort();
    lines
}

/// The same without times.
pub(crate) fn names(root: &Path) -> Vec<String> {
    let mut lines: Vec<_> = describe(root)
        .into_iter()
        .map(|line| line.split_once('|').unwrap().0.trim_end().to_owned())
        .filter(|line| line != ".")
        .collect();
    lines.sort();
    lines
}

fn visit(root: &Path, path: &Path, lines: &mut Vec<String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let relative = path.strip_prefix(root).unwrap();
    let name = if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    };
    let detail = if kind.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if kind.is_file() {
        let content = fs::read(path).unwrap();
        format!("{} {}", content.len(), gantry_ids::Digest::of(&content))
    } else if kind.is_char_device() || kind.is_block_device() {
        format!("device {}", meta.rdev())
    } else {
        String::new()
    };
    // The mode of a symbolic link and the size of a directory say nothing.
    let mode = if kind.is_symlink() { 0 } else { meta.mode() };
    let links = if kind.is_dir() { 0 } else { meta.nlink() };
    lines.push(format!(
        "{} | {mode:o} {}:{} {}.{:09} links {links} {detail}",
        name.as_os_str().as_bytes().escape_ascii(),
        meta.uid(),
        meta.gid(),
        meta.mtime(),
        meta.mtime_nsec(),
    ));
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            visit(root, &entry.unwrap().path(), lines);
        }
    }
}
