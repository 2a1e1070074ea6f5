//! Build contexts that lie at an address: a repository, an archive, or a Dockerfile alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_dockerfile::{Origin, TransferStep};
use gantry_errors::ErrorKind;
use gantry_git::{Address, GitError, Keep};

use super::Solver;
use super::fetcher::Fetcher;
use super::scratch::Scratch;
use super::tell::Work;
use crate::fault::{BuildError, Fault};
use crate::port::{Context, Keys, Refusal, Wanted};
use crate::progress::Ending;
use crate::{Cancel, Progress, Tree};

/// What BuildKit calls a file that it fetched as a context.
const FILE: &str = "context";

/// Whether a context's place is an address rather than something of the client.
#[must_use]
pub fn is_address(place: &str) -> bool {
    let is_web = place.starts_with("http://") || place.starts_with("https://");
    is_web || !matches!(Address::parse_context(place), Ok(None))
}

/// Which files are wanted of an address.
#[derive(Clone)]
pub struct RemoteWanted<'a> {
    /// The address.
    pub address: &'a str,
    /// What the work is called.
    pub work: String,
    /// Whether a repository's `.git` stays, where its address does not say it.
    pub keeps_git: bool,
    /// Whether an archive is unpacked.
    pub unpacks: bool,
    /// Secrets and agents of the client.
    pub keys: &'a dyn Keys,
}

impl<'a> RemoteWanted<'a> {
    /// A build's context. The build argument `BUILDKIT_CONTEXT_KEEP_GIT_DIR` says whether `.git` of a
    /// repository is a part of it.
    #[must_use]
    pub fn context(
        address: &'a str,
        arguments: &BTreeMap<String, String>,
        keys: &'a dyn Keys,
    ) -> Self {
        let keeps = arguments.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        let keeps = keeps.map(|text| text.to_ascii_lowercase());
        let work = match Address::parse_context(address) {
            Ok(None) => "[internal] load remote build context".to_owned(),
            _ => format!("[internal] load git source {}", Address::hide(address)),
        };
        Self {
            address,
            work,
            keeps_git: matches!(keeps.as_deref(), Some("1" | "t" | "true")),
            unpacks: true,
            keys,
        }
    }

    /// A context with a name.
    pub(super) fn named(name: &str, address: &'a str, keys: &'a dyn Keys) -> Self {
        Self {
            address,
            work: format!("[context {name}] {}", Address::hide(address)),
            keeps_git: false,
            unpacks: false,
            keys,
        }
    }
}

impl std::fmt::Debug for RemoteWanted<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("RemoteWanted");
        shown.field("work", &self.work).finish_non_exhaustive()
    }
}

/// A context that was fetched; dropped, its files are gone.
#[derive(Debug)]
pub struct Remote {
    root: PathBuf,
    is_file: bool,
    _scratch: Scratch,
}

impl Remote {
    /// Where its files lie.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The name of the file, if it is one file alone: a Dockerfile.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.is_file.then_some(FILE)
    }
}

impl Context for Remote {
    fn open(&self, _: &Wanted, _: &dyn Fn(u64), _: &Cancel) -> Result<Arc<Tree>, Refusal> {
        let tree = Tree::open(&self.root).map_err(|error| {
            let text = format!("read the build context: {error}");
            Refusal::new(ErrorKind::Internal, text)
        })?;
        Ok(Arc::new(tree))
    }
}

impl Solver {
    /// Fetches a context. An ignore file in it plays no part, as in BuildKit.
    ///
    /// # Errors
    /// It cannot be reached, or is no archive that can be unpacked; the address makes no sense.
    pub fn fetch(
        &self,
        wanted: &RemoteWanted<'_>,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Arc<Remote>, BuildError> {
        let work = Work::new(progress, &wanted.work);
        let fetcher = Fetcher {
            solver: self,
            keys: wanted.keys,
            stop: cancel,
        };
        match fetcher.context(wanted, &work) {
            Ok(remote) => {
                work.end(Ending::Done);
                Ok(Arc::new(remote))
            }
            Err(Fault::Cancelled) => {
                work.end(Ending::Cancelled);
                Err(BuildError::new(Fault::Cancelled))
            }
            Err(fault) => {
                work.end(Ending::Failed(gantry_errors::chain(&fault).to_string()));
                Err(BuildError::new(fault))
            }
        }
    }
}

impl Fetcher<'_> {
    fn context(&self, wanted: &RemoteWanted<'_>, work: &Work<'_>) -> Result<Remote, Fault> {
        let address = Address::parse_context(wanted.address).map_err(GitError::Address)?;
        let Some(address) = address else {
            return self.file(wanted, work);
        };
        let commit = self.resolve(&address, work)?;
        let keep = if address.keep().unwrap_or(wanted.keeps_git) {
            Keep::GitDirectory
        } else {
            Keep::Nothing
        };
        let checkout = self.check_out(&address, &commit, keep, work)?;
        Ok(Remote {
            root: checkout.tree,
            is_file: false,
            _scratch: checkout.scratch,
        })
    }

    fn file(&self, wanted: &RemoteWanted<'_>, work: &Work<'_>) -> Result<Remote, Fault> {
        let fetched = self.download((wanted.address, None), FILE, work)?;
        let (_, scratch) = fetched.ok_or_else(|| Fault::Fetch {
            url: wanted.address.to_owned(),
            reason: "the server answered that it had not changed".to_owned(),
        })?;
        let root = scratch.disk.join("files");
        fs::create_dir(&root).map_err(Fault::io("make a directory for a context"))?;
        let path = scratch.disk.join(FILE);
        let is_archive = wanted.unpacks && crate::copy::is_archive(&path);
        if is_archive {
            let from = Tree::open(&scratch.disk).map_err(Fault::io("open a file"))?;
            let to = Tree::open(&root).map_err(Fault::io("open a directory"))?;
            crate::copy::fetched(&unpacking(), (&from, FILE), &to)?;
        } else {
            let moved = fs::rename(&path, root.join(FILE));
            moved.map_err(Fault::io("keep what was fetched"))?;
        }
        Ok(Remote {
            root,
            is_file: !is_archive,
            _scratch: scratch,
        })
    }
}

/// An `ADD --unpack` into the root.
fn unpacking() -> TransferStep {
    TransferStep {
        is_add: true,
        origin: Origin::Context,
        sources: Vec::new(),
        documents: Vec::new(),
        destination: "/".to_owned(),
        chown: None,
        chmod: None,
        link: false,
        parents: false,
        exclude: Vec::new(),
        checksum: None,
        keep_git_dir: false,
        unpack: Some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn addresses_are_told_from_names() {
        for place in [
            "http://h/x",
            "https://h/x.git#main",
            "git@h:x",
            "github.com/a/b",
            "ssh://-o/x",
        ] {
            assert!(is_address(place), "{place}");
        }
        for place in ["", "context", "./x.git", "local:x", "client-session"] {
            assert!(!is_address(place), "{place}");
        }
    }
}
