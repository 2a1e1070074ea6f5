//! What lies at addresses, fetched into directories of the build's own: files of the web, and
//! repositories with what the client has to open them.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_git::{Access, Address, Commit, GitError, Keep, Repository};
use gantry_ids::{ContainerId, Digest};
use jiff::Timestamp;
use sha2::Digest as _;

use super::Solver;
use super::fetched::State;
use super::scratch::Scratch;
use super::tell::Work;
use crate::Cancel;
use crate::fault::Fault;
use crate::port::{Answered, Asked, Keys};
use crate::progress::Stream;

/// How often it is told how far a file is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// The client's agent for repositories, as BuildKit calls it.
const AGENT: &str = "default";

/// What fetches for one client.
pub(super) struct Fetcher<'a> {
    pub(super) solver: &'a Solver,
    pub(super) keys: &'a dyn Keys,
    pub(super) stop: &'a Cancel,
}

/// A tree of a repository; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Checkout {
    pub(super) tree: PathBuf,
    pub(super) scratch: Scratch,
}

impl Fetcher<'_> {
    pub(super) fn scratch(&self) -> Result<Scratch, Fault> {
        let parts = &self.solver.parts;
        let dirs = (parts.root.as_path(), parts.run.as_path());
        let id = ContainerId::generate().to_string();
        let scratch = Scratch::new(&parts.images, dirs, &id);
        scratch.map_err(Fault::io("make a directory for what is fetched"))
    }

    /// The commit that an address means now.
    pub(super) fn resolve(&self, address: &Address, work: &Work<'_>) -> Result<Commit, Fault> {
        let scratch = self.scratch()?;
        self.with(address, &scratch, work, |repository| {
            let commit = repository.resolve()?;
            Ok(commit)
        })
    }

    /// The tree of a commit.
    pub(super) fn check_out(
        &self,
        address: &Address,
        commit: &Commit,
        keep: Keep,
        work: &Work<'_>,
    ) -> Result<Checkout, Fault> {
        let scratch = self.scratch()?;
        let check_out = |repository: &Repository<'_>| repository.check_out(commit, keep);
        let tree = self.with(address, &scratch, work, check_out)?;
        Ok(Checkout { tree, scratch })
    }

    fn with<T>(
        &self,
        address: &Address,
        scratch: &Scratch,
        work: &Work<'_>,
        ask: impl FnOnce(&Repository<'_>) -> Result<T, GitError>,
    ) -> Result<T, Fault> {
        let authorization = self.authorization(address)?;
        let socket = scratch.run.join("agent");
        let _agent = if address.needs_agent() {
            let agent = self.keys.agent(AGENT, &socket)?;
            Some(agent.ok_or_else(|| Fault::Missing {
                kind: "ssh forward key",
                id: AGENT.to_owned(),
            })?)
        } else {
            None
        };
        let access = Access {
            authorization: authorization.as_deref(),
            agent: address.needs_agent().then_some(socket.as_path()),
            proxies: &self.solver.parts.proxies,
            allows_files: false,
            told: &|bytes| work.log(Stream::Stderr, bytes),
            is_stopped: &|| self.stop.is_cancelled(),
        };
        let repository = Repository::new(address, &access, &scratch.disk);
        match repository.and_then(|repository| ask(&repository)) {
            Err(GitError::Stopped) => Err(Fault::Cancelled),
            asked => Ok(asked?),
        }
    }

    /// The header that opens a repository on the web: the client's secret `GIT_AUTH_HEADER`, or one
    /// made of `GIT_AUTH_TOKEN`; those that name the host come first.
    fn authorization(&self, address: &Address) -> Result<Option<String>, Fault> {
        if !address.is_web() {
            return Ok(None);
        }
        let host = address.host();
        for (name, is_token) in [
            (format!("GIT_AUTH_HEADER.{host}"), false),
            (format!("GIT_AUTH_TOKEN.{host}"), true),
            ("GIT_AUTH_HEADER".to_owned(), false),
            ("GIT_AUTH_TOKEN".to_owned(), true),
        ] {
            let Some(secret) = self.keys.secret(&name)? else {
                continue;
            };
            let text = String::from_utf8_lossy(&secret);
            let text = text.trim_end_matches(['\r', '\n']);
            if text.contains(char::is_control) {
                return Err(Fault::Missing {
                    kind: "a header of one line in the secret",
                    id: name,
                });
            }
            return Ok(Some(if is_token {
                let pair = STANDARD.encode(format!("x-access-token:{text}"));
                format!("basic {pair}")
            } else {
                text.to_owned()
            }));
        }
        Ok(None)
    }

    /// Fetches a file of the web into a directory of its own, under a name; none if it is still what
    /// the tag says.
    pub(super) fn download(
        &self,
        (url, etag): (&str, Option<&str>),
        name: &str,
        work: &Work<'_>,
    ) -> Result<Option<(State, Scratch)>, Fault> {
        let scratch = self.scratch()?;
        let path = scratch.disk.join(name);
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
        let answered = self
            .solver
            .parts
            .web
            .fetch(&asked, &mut file, &progress, self.stop);
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
