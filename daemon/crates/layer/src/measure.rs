//! What trees cost on the disk: the blocks that files, directories and links take, as `du` counts them.
//!
//! Deliberately not here: bytes of content, which is what docker calls a layer's size.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The kernel's unit of `st_blocks`, in bytes.
const BLOCK: u64 = 512;

/// Bytes that `path` and all that is beneath it take on its file system, without what is beneath any of
/// `except`. A file of several names counts once; other file systems mounted there do not. What goes away
/// meanwhile counts for nothing.
///
/// # Errors
/// `path` itself cannot be looked at.
pub fn disk_bytes(path: &Path, except: &[&Path]) -> io::Result<u64> {
    let top = std::fs::symlink_metadata(path)?;
    let mut links = HashSet::new();
    let mut bytes = top.blocks() * BLOCK;
    let mut left: Vec<PathBuf> = Vec::new();
    if top.is_dir() {
        left.push(path.to_owned());
    }
    while let Some(directory) = left.pop() {
        if except.contains(&directory.as_path()) {
            continue;
        }
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.dev() != top.dev()
                || (found.nlink() > 1 && !found.is_dir() && !links.insert(found.ino()))
            {
                continue;
            }
            bytes += found.blocks() * BLOCK;
            if found.is_dir() {
                left.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `du` says of a tree, in bytes.
    fn du(path: &Path) -> u64 {
        let out = std::process::Command::new("du")
            .args(["-s", "-x", "--block-size=1"])
            .arg(path)
            .output()
            .expect("du");
        let text = String::from_utf8(out.stdout).expect("text");
        let word = text.split_whitespace().next().expect("a number");
        word.parse().expect("a number")
    }

    #[test]
    fn a_tree_is_measured_as_du_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        std::fs::create_dir_all(root.join("a/b")).expect("directories");
        std::fs::write(root.join("a/large"), vec![1; 300_000]).expect("a file");
        std::fs::write(root.join("a/b/small"), "1").expect("a file");
        std::fs::hard_link(root.join("a/large"), root.join("again")).expect("a link");
        std::os::unix::fs::symlink("a/large", root.join("soft")).expect("a link");
        let sparse = std::fs::File::create(root.join("sparse")).expect("a file");
        sparse.set_len(1 << 30).expect("a hole");
        let all = disk_bytes(root, &[]).expect("it is there");
        assert_eq!(all, du(root));
        assert!((300_000..1_000_000).contains(&all), "{all}");
        let without = disk_bytes(root, &[&root.join("a")]).expect("it is there");
        // The large file's other name is still there.
        assert_eq!(all - without, du(&root.join("a/b")));
    }
}
