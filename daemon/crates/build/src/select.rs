//! Which files a source of `COPY` names.

use std::os::fd::AsFd;

use gantry_dockerfile::{clean_path, matches_name};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::tree::names;
use crate::{CopyError, Tree};

/// The paths a source stands for, absolute and clean, in order. One without wildcards stands for
/// itself, whether it is there or not; wildcards may stand for nothing.
pub(crate) fn select(tree: &Tree, source: &str) -> Result<Vec<String>, CopyError> {
    let path = clean_path(&format!("/{source}"));
    if !has_wildcards(&path) {
        return Ok(vec![path]);
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let plain = parts.iter().take_while(|part| !has_wildcards(part)).count();
    let mut found = vec![format!("/{}", parts[..plain].join("/"))];
    let mut flags = OFlags::RDONLY | OFlags::DIRECTORY;
    for part in &parts[plain..] {
        let mut next = Vec::new();
        for directory in &found {
            step(tree, directory, flags, part, &mut next)?;
        }
        found = next;
        // What a wildcard has found is not followed further.
        flags |= OFlags::NOFOLLOW;
    }
    Ok(found)
}

/// The entries of a directory that a part of a pattern matches.
fn step(
    tree: &Tree,
    directory: &str,
    flags: OFlags,
    pattern: &str,
    found: &mut Vec<String>,
) -> Result<(), CopyError> {
    let opened = match tree.at(directory, flags) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(Errno::LOOP) if flags.contains(OFlags::NOFOLLOW) => return Ok(()),
        Err(Errno::LOOP) => return Err(CopyError::TooManyLinks(directory.to_owned())),
        Err(error) => return Err(CopyError::read(directory, error)),
    };
    let list = names(opened.as_fd()).map_err(|error| CopyError::read(directory, error))?;
    for name in list {
        // A name that is not UTF-8 cannot be written in a Dockerfile.
        let Ok(name) = std::str::from_utf8(&name) else {
            continue;
        };
        if matches_name(pattern, name)? {
            found.push(format!("{}/{name}", directory.trim_end_matches('/')));
        }
    }
    Ok(())
}

/// `*`, `?` and `[`, unless a backslash stands before them.
pub(crate) fn has_wildcards(text: &str) -> bool {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' | '?' | '[' => return true,
            '\\' => {
                letters.next();
            }
            _ => {}
        }
    }
    false
}
