//! What only `ADD` does: addresses, and the names that what lies there gets.

use gantry_dockerfile::TransferStep;
use gantry_git::{Address, AddressError, GitError};
use percent_encoding::percent_decode_str;

use crate::fault::Fault;

const REPOSITORIES: [&str; 3] = ["git://", "ssh://", "git@"];

/// Whether a source is an address.
pub(crate) fn is_remote(source: &str) -> bool {
    is_web(source) || is_repository(source)
}

fn is_web(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Whether a source is a git repository: by scheme, `git@`, or the end of a path on the web.
fn is_repository(source: &str) -> bool {
    let path = source.split(['#', '?']).next().unwrap_or(source);
    let is_git = REPOSITORIES.iter().any(|start| source.starts_with(start));
    is_git || is_web(source) && path.ends_with(".git")
}

/// The repository that a source of an `ADD` names, if it names one, with the commit that
/// `--checksum` wants.
pub(crate) fn repository(source: &str, step: &TransferStep) -> Result<Option<Address>, Fault> {
    if !is_repository(source) {
        return Ok(None);
    }
    let address = Address::parse(source).map_err(GitError::Address)?;
    let invalid = || GitError::Address(AddressError::Address(source.to_owned()));
    let address = address.ok_or_else(invalid)?;
    let address = address.with_checksum(step.checksum.as_deref());
    Ok(Some(address.map_err(GitError::Address)?))
}

/// Refuses what cannot be fetched, before anything is done.
pub(crate) fn refuse(step: &TransferStep) -> Result<(), Fault> {
    let is_of_file = step.sources.iter().any(|source| !is_repository(source));
    let checksum = step.checksum.as_deref().unwrap_or("sha256:");
    if step.is_add && is_of_file && !checksum.starts_with("sha256:") {
        return Err(Fault::NotBuilt("a checksum that is no sha256"));
    }
    Ok(())
}

/// The name of what lies at an address, as BuildKit takes it: the last part of the path.
pub(crate) fn name_of(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let path = percent_decode_str(path).decode_utf8_lossy();
    let name = path.trim_end_matches('/').rsplit('/').next();
    match name.unwrap_or_default() {
        "" | "." | ".." => "__unnamed__".to_owned(),
        name if name.contains('\0') => "__unnamed__".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_last_part_of_the_path() {
        for (address, name) in [
            ("http://h/a/b.tar?x=/y#z/w", "b.tar"),
            ("http://h/a/b/", "b"),
            ("http://h", "__unnamed__"),
            ("http://h/?name=x", "__unnamed__"),
            ("https://u:p@h:1/a%20b", "a b"),
            ("https://h/a%2Fb", "b"),
            ("https://h/%2e%2e", "__unnamed__"),
            ("https://h/a/..", "__unnamed__"),
        ] {
            assert_eq!(name_of(address), name, "{address}");
        }
    }

    #[test]
    fn repositories_are_told_from_files() {
        for address in [
            "git://h/r",
            "ssh://h/r",
            "git@h:r",
            "https://h/r.git#main:dir",
        ] {
            assert!(is_remote(address) && is_repository(address), "{address}");
        }
        for address in ["https://h/r", "http://h/r.git/x", "https://h/x?y=.git"] {
            assert!(is_remote(address) && !is_repository(address), "{address}");
        }
        assert!(!is_remote("file") && !is_remote("r.git"));
    }
}
