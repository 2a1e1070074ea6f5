//! A context that lies in a directory of the engine: what the classic door unpacks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_dockerfile::Patterns;
use gantry_errors::ErrorKind;

use crate::port::{Context, Refusal, Wanted};
use crate::{Cancel, Tree};

/// A directory as a context. What is excluded is removed from it when it is opened, so it must be
/// the engine's own copy.
#[derive(Debug)]
pub struct LocalContext {
    root: PathBuf,
}

impl LocalContext {
    /// The directory as a context.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Context for LocalContext {
    fn open(&self, wanted: &Wanted, _: &dyn Fn(u64), _: &Cancel) -> Result<Arc<Tree>, Refusal> {
        let invalid = |error: &dyn std::error::Error| {
            Refusal::new(ErrorKind::InvalidArgument, error.to_string())
        };
        let patterns = Patterns::new(wanted.exclude.iter().map(String::as_str));
        let patterns = patterns.map_err(|error| invalid(&error))?;
        let failed = |error: &dyn std::error::Error| {
            let text = format!("read the build context: {error}");
            Refusal::new(ErrorKind::Internal, text)
        };
        if !patterns.is_empty() {
            prune(&self.root, "", &patterns).map_err(|error| failed(&error))?;
        }
        let tree = Tree::open(&self.root).map_err(|error| failed(&error))?;
        Ok(Arc::new(tree))
    }
}

/// Removes what the patterns match. A directory that they match stays while something in it does.
fn prune(directory: &Path, within: &str, patterns: &Patterns) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = match within {
            "" => name.into_owned(),
            within => format!("{within}/{name}"),
        };
        let (is_directory, is_excluded) = (entry.file_type()?.is_dir(), patterns.matches(&path));
        match (is_directory, is_excluded) {
            (false, true) => std::fs::remove_file(entry.path())?,
            (false, false) => {}
            (true, true) if !patterns.has_exceptions() => std::fs::remove_dir_all(entry.path())?,
            (true, _) => {
                prune(&entry.path(), &path, patterns)?;
                if is_excluded {
                    // Not empty if an exception holds for something in it.
                    let _ = std::fs::remove_dir(entry.path());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_excluded_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a/b/keep", "a/b/drop", "c/x", "top.log"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let context = LocalContext::new(root.path().to_owned());
        let wanted = Wanted {
            paths: None,
            exclude: ["a", "!a/b/keep", "c", "*.log"].map(str::to_owned).to_vec(),
        };
        context.open(&wanted, &|_| (), &Cancel::new()).unwrap();
        assert!(root.path().join("a/b/keep").exists());
        assert!(!root.path().join("a/b/drop").exists());
        assert!(!root.path().join("c").exists());
        assert!(!root.path().join("top.log").exists());
    }
}
