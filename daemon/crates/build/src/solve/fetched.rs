//! `ADD` of addresses: what lies there is fetched, and its digest is what the step's key has.
//!
//! What an address answered last is remembered by its `ETag`, so that an unchanged file whose layer
//! is cached is asked for and not sent again. The file has mode 0600 and belongs to root; its time is
//! `Last-Modified`, or the beginning of 1970, as BuildKit has it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use gantry_dockerfile::{Origin, Patterns, TransferStep};
use gantry_ids::{ContainerId, Digest};
use gantry_layer::Rootfs;
use jiff::Timestamp;
use sha2::Digest as _;

use super::files::Reader;
use super::key::{self, Hasher};
use super::scratch::Scratch;
use super::stage::{Build, Running, open};
use super::tell::Work;
use crate::fault::Fault;
use crate::port::{Answered, Asked};
use crate::progress::Ending;
use crate::{Tree, add};

/// How many addresses are remembered; more are forgotten all at once.
const KNOWN_MAX: usize = 4096;

/// How often it is told how far a file is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// What addresses answered last.
pub(super) type Known = BTreeMap<String, State>;

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    etag: Option<String>,
    digest: Digest,
    modified_s: i64,
}

/// A source of an `ADD`.
enum Part<'a> {
    Local(&'a str),
    Remote(&'a str, State, Option<Scratch>),
}

impl Build<'_> {
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
            if add::is_remote(source) {
                let (state, scratch) = self.ask(source, work)?;
                check(step, &state.digest)?;
                hasher.part("remote").part(add::name_of(source));
                hasher.part(state.digest.as_bytes());
                hasher.number(state.modified_s.cast_unsigned());
                parts.push(Part::Remote(source, state, scratch));
                continue;
            }
            let reader = Reader {
                tree: context.as_ref().expect("opened for what is local"),
                exclude: Patterns::new(step.exclude.iter().map(String::as_str))?,
                owners: false,
            };
            let files = reader.sources(std::slice::from_ref(source))?;
            hasher.part("local").part(files.as_bytes());
            parts.push(Part::Local(source));
        }
        let key = key::transfer(&running.end.key, step, &hasher.finish());
        self.layer(running, (key, code), |rootfs, _| {
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
        let (state, scratch) = match (self.fetch(url, etag, work)?, last) {
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
        match self.fetch(url, None, work)? {
            Some((now, scratch)) if now.digest == state.digest => Ok(scratch),
            _ => Err(Fault::Fetch {
                url: url.to_owned(),
                reason: "it changed while it was fetched".to_owned(),
            }),
        }
    }

    fn fetch(
        &self,
        url: &str,
        etag: Option<&str>,
        work: &Work<'_>,
    ) -> Result<Option<(State, Scratch)>, Fault> {
        let parts = &self.solver.parts;
        let dirs = (parts.root.as_path(), parts.run.as_path());
        let id = ContainerId::generate().to_string();
        let scratch = Scratch::new(&parts.images, dirs, &id);
        let scratch = scratch.map_err(Fault::io("make a directory for a file"))?;
        let path = scratch.disk.join(add::name_of(url));
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let mut file = Hashed {
            file: file.map_err(Fault::io("make a file for what is fetched"))?,
            hash: sha2::Sha256::new(),
        };
        let (since, told) = (Timestamp::now(), std::cell::Cell::new(Instant::now()));
        let progress = |now: u64, total: u64| {
            if told.get().elapsed() >= TELL_EVERY || now == total {
                told.set(Instant::now());
                work.status(url, (now, total), since);
            }
        };
        let asked = Asked { url, etag };
        let answered = parts.web.fetch(&asked, &mut file, &progress, self.stop);
        let found = match answered {
            Ok(Answered::Unchanged) => return Ok(None),
            Ok(Answered::New(found)) => found,
            Err(_) if self.stop.is_cancelled() => return Err(Fault::Cancelled),
            Err(refusal) => {
                return Err(Fault::Fetch {
                    url: url.to_owned(),
                    reason: refusal.text,
                });
            }
        };
        let modified_s = found.modified_s.unwrap_or(0).max(0);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified_s.unsigned_abs());
        let timed = file.file.set_modified(modified);
        timed.map_err(Fault::io("set the time of what was fetched"))?;
        let state = State {
            etag: found.etag,
            digest: Digest::from_bytes(file.hash.finalize().into()),
            modified_s,
        };
        Ok(Some((state, scratch)))
    }
}

/// A file and the digest of what is written to it.
struct Hashed {
    file: File,
    hash: sha2::Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.hash.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
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
