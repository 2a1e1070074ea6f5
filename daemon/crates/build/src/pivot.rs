//! What a source of `COPY --parents` names: files beneath a root, whose path from there is kept.
//!
//! `a/./b/*.txt` has the root `a` and the pattern `b/*.txt`; without `/./` the root is the tree's
//! own. The pattern is one of `.dockerignore`'s: a directory stands for all in it, and `**` for any
//! number of directories.

use gantry_dockerfile::{Patterns, clean_path, matches_name};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::select::has_wildcards;
use crate::{CopyError, Tree};

/// A source of `COPY --parents`.
#[derive(Debug)]
pub(crate) struct Pivot {
    root: String,
    /// The pattern's parts; none for all that is beneath the root.
    parts: Vec<String>,
    include: Patterns,
}

impl Pivot {
    pub(crate) fn parse(source: &str) -> Result<Self, CopyError> {
        let (root, pattern) = source.split_once("/./").unwrap_or(("/", source));
        let pattern = clean_path(&format!("/{pattern}"));
        let pattern = pattern.trim_start_matches('/');
        let parts = pattern.split('/').filter(|part| !part.is_empty());
        Ok(Self {
            root: clean_path(&format!("/{root}")),
            parts: parts.map(str::to_owned).collect(),
            include: Patterns::new([pattern])?,
        })
    }

    /// What the pattern begins at; wildcards may stand in it.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The name of all that may be taken, as a source without `**`.
    pub(crate) fn wanted(&self) -> String {
        let parts = self.parts.iter().map(String::as_str);
        let parts: Vec<&str> = parts.take_while(|part| !part.contains("**")).collect();
        clean_path(&format!("{}/{}", self.root, parts.join("/")))
    }

    /// A fault unless a path without wildcards is there.
    pub(crate) fn check(&self, tree: &Tree) -> Result<(), CopyError> {
        let path = clean_path(&format!("{}/{}", self.root, self.parts.join("/")));
        if has_wildcards(&path) {
            return Ok(());
        }
        match tree.at(&path, OFlags::PATH | OFlags::NOFOLLOW) {
            Ok(_) => Ok(()),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(CopyError::NotFound(path)),
            Err(Errno::LOOP) => Err(CopyError::TooManyLinks(path)),
            Err(error) => Err(CopyError::read(&path, error)),
        }
    }

    /// Whether a path beneath the root is taken.
    pub(crate) fn takes(&self, inside: &str) -> bool {
        self.parts.is_empty() || self.include.matches(inside)
    }

    /// Whether something beneath a directory may be taken.
    pub(crate) fn leads(&self, inside: &str) -> Result<bool, CopyError> {
        if self.takes(inside) {
            return Ok(true);
        }
        let mut parts = self.parts.iter();
        for name in inside.split('/') {
            match parts.next() {
                None => return Ok(false),
                Some(part) if part.contains("**") => return Ok(true),
                Some(part) if !matches_name(part, name)? => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(parts.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_or_leads_to_what_is() {
        // The source, what is asked for, and what is taken, led to, and passed over.
        let table = [
            ("a/b/c", "/a/b/c", "a/b/c a/b/c/d", "a a/b", "b a/c ab"),
            ("./a/*/c", "/a/*/c", "a/b/c", "a a/b", "a/c/d"),
            ("x/y/./a/*.t", "/x/y/a/*.t", "a/b.t", "a", "a/b.s y"),
            ("x/./**/z", "/x", "z q/z q/r/z/s", "q q/r", ""),
            ("/./d", "/d", "d d/e", "", "e"),
            (".", "/", "a a/b", "", ""),
            ("a/./", "/a", "b b/c", "", ""),
            ("../a", "/a", "a", "", "b"),
        ];
        for (source, wanted, taken, leads, passed) in table {
            let pivot = Pivot::parse(source).unwrap();
            assert_eq!(pivot.wanted(), wanted, "{source}");
            for path in taken.split_whitespace() {
                assert!(pivot.takes(path), "{source} {path}");
            }
            for path in leads.split_whitespace() {
                assert!(
                    !pivot.takes(path) && pivot.leads(path).unwrap(),
                    "{source} {path}"
                );
            }
            for path in passed.split_whitespace() {
                assert!(!pivot.leads(path).unwrap(), "{source} {path}");
            }
        }
    }
}
