//! `ADD` of addresses: what lies there is fetched, and its digest is what the step's key has; of a
//! repository it is the commit.
//!
//! What an address answered last is remembered by its `ETag`, so that an unchanged file whose layer
//! is cached is asked for and not sent again. The file has mode 0600 and belongs to root; its time is
//! `Last-Modified`, or the beginning of 1970, as BuildKit has it.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use gantry_dockerfile::{Origin, Patterns, TransferStep};
use gantry_git::{Address, Commit, Keep};
use gantry_ids::Digest;
use gantry_layer::Rootfs;

use super::fetcher::Fetcher;
use super::files::Reader;
use super::key::{self, Hasher};
use super::layer::Sought;
use super::scratch::Scratch;
use super::stage::{Build, Running, open};
use super::tell::Work;
use crate::fault::Fault;
use crate::progress::Ending;
use crate::{Tree, add};

/// How many addresses are remembered; more are forgotten all at once.
const KNOWN_MAX: usize = 4096;

/// What addresses answered last.
pub(super) type Known = BTreeMap<String, State>;

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) etag: Option<String>,
    pub(super) digest: Digest,
    pub(super) modified_s: i64,
}

/// A source of an `ADD`.
enum Part<'a> {
    Local(&'a str),
    Remote(&'a str, State, Option<Scratch>),
    Repository(Address, Commit, Keep),
}

impl Build<'_> {
    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher {
            solver: self.solver,
            keys: self.client.keys.as_ref(),
            stop: self.stop,
        }
    }

    /// Does an `ADD` some of whose sources are addresses.
    pub(super) fn add(
        &self,
        running: &mut Running<'_>,
        (step, code): (&TransferStep, &str),
        work: &Work<'_>,
    ) -> Result<Ending, Fault> {
        let has_local = step.sources.iter().any(|source| !add::is_remote(source));
        let context = has_local.then(|| self.context()).transpose()?;
        let mut parts = Vec::new();
        let mut hasher = Hasher::new("fetched");
        for source in &step.sources {
            if let Some(address) = add::repository(source, step)? {
                let commit = self.fetcher().resolve(&address, work)?;
                let is_kept = step.keep_git_dir || address.keep() == Some(true);
                let (subdir, has_submodules) = address.selection();
                hasher.part("repository").part(commit.id()).part(subdir);
                hasher.number(u64::from(has_submodules));
                hasher.number(u64::from(is_kept));
                let keep = if is_kept {
                    Keep::GitDirectory
                } else {
                    Keep::Nothing
                };
                parts.push(Part::Repository(address, commit, keep));
                continue;
            }
            if add::is_remote(source) {
                let (state, scratch) = self.ask(source, work)?;
                check(step, &state.digest)?;
                hasher.part("remote").part(add::name_of(source));
                hasher.part(state.digest.as_bytes());
                hasher.number(state.modified_s.cast_unsigned());
                parts.push(Part::Remote(source, state, scratch));
                continue;
            }
            let tree = context.as_ref().expect("opened for what is local");
            let exclude = Patterns::new(step.exclude.iter().map(String::as_str))?;
            let reader = Reader::new(tree, exclude, false);
            let files = reader.sources(std::slice::from_ref(source))?;
            hasher.part("local").part(files.as_bytes());
            parts.push(Part::Local(source));
        }
        let key = key::transfer(&running.end.key, step, &hasher.finish());
        self.layer(running, &Sought::of(key, code), |rootfs, _| {
            self.place(step, parts, (context.as_deref(), rootfs), work)
        })
    }

    /// Copies all sources, then the here-documents.
    fn place(
        &self,
        step: &TransferStep,
        parts: Vec<Part<'_>>,
        (context, rootfs): (Option<&Tree>, &Rootfs),
        work: &Work<'_>,
    ) -> Result<(), Fault> {
        let to = if step.link {
            Tree::open(&rootfs.upper).map_err(Fault::io("open a layer"))?
        } else {
            open(rootfs)?
        };
        let only = |sources: Vec<String>| TransferStep {
            sources,
            documents: Vec::new(),
            origin: Origin::Context,
            ..step.clone()
        };
        for part in parts {
            match part {
                Part::Local(source) => {
                    let context = context.expect("opened for what is local");
                    crate::copy(&only(vec![source.to_owned()]), context, &to)?;
                }
                Part::Repository(address, commit, keep) => {
                    let checkout = self.fetcher().check_out(&address, &commit, keep, work)?;
                    let from = Tree::open(&checkout.tree).map_err(Fault::io("open a tree"))?;
                    crate::copy(&only(vec!["/".to_owned()]), &from, &to)?;
                }
                Part::Remote(source, state, scratch) => {
                    // Nothing was sent because it had not changed; but the layer is not cached.
                    let scratch = match scratch {
                        Some(scratch) => scratch,
                        None => self.again(source, &state, work)?,
                    };
                    let from = Tree::open(&scratch.disk).map_err(Fault::io("open a file"))?;
                    let name = add::name_of(source);
                    crate::copy::fetched(&only(Vec::new()), (&from, &name), &to)?;
                }
            }
        }
        if !step.documents.is_empty() {
            let empty = Tree::open(&rootfs.work).map_err(Fault::io("open a layer"))?;
            let documents = TransferStep {
                sources: Vec::new(),
                ..step.clone()
            };
            crate::copy(&documents, &empty, &to)?;
        }
        Ok(())
    }

    /// Asks an address; the directory with the file, unless it is as it was.
    fn ask(&self, url: &str, work: &Work<'_>) -> Result<(State, Option<Scratch>), Fault> {
        let known = &self.solver.addresses;
        let last = known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(url)
            .cloned();
        let etag = last.as_ref().and_then(|state| state.etag.as_deref());
        let (state, scratch) = match (
            self.fetcher()
                .download((url, etag), &add::name_of(url), work)?,
            last,
        ) {
            (Some((state, scratch)), _) => (state, Some(scratch)),
            (None, Some(state)) => (state, None),
            (None, None) => {
                return Err(Fault::Fetch {
                    url: url.to_owned(),
                    reason: "the server answered that it had not changed".to_owned(),
                });
            }
        };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(url.to_owned(), state.clone());
        Ok((state, scratch))
    }

    /// Fetches what an address had a moment ago.
    fn again(&self, url: &str, state: &State, work: &Work<'_>) -> Result<Scratch, Fault> {
        match self
            .fetcher()
            .download((url, None), &add::name_of(url), work)?
        {
            Some((now, scratch)) if now.digest == state.digest => Ok(scratch),
            _ => Err(Fault::Fetch {
                url: url.to_owned(),
                reason: "it changed while it was fetched".to_owned(),
            }),
        }
    }
}

fn check(step: &TransferStep, actual: &Digest) -> Result<(), Fault> {
    match &step.checksum {
        Some(wanted) if *wanted != actual.to_string() => Err(Fault::Checksum {
            actual: actual.to_string(),
            wanted: wanted.clone(),
        }),
        _ => Ok(()),
    }
}
