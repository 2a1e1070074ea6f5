//! The ports of the solver: what it needs from the client, the registry and the runtime.
//!
//! All are synchronous and are called from the solver's own threads; an adapter that is asynchronous
//! inside blocks there. Every port that may take long is given the build's [`Cancel`] and comes back
//! soon after it is cancelled.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_dockerfile::RunStep;
use gantry_errors::{Classify, ErrorKind};
use gantry_ids::{Digest, ImageId, ImageRef, Platform};
use gantry_layer::Rootfs;
use serde::{Deserialize, Serialize};

use crate::progress::Stream;
use crate::request::Limits;
use crate::{Cancel, Tree};

/// What the other side of a port said when it could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// Which kind of failure it is.
    pub kind: ErrorKind,
    /// The text for the user, causes included.
    pub text: String,
}

impl Refusal {
    /// A refusal with a text.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }
}

impl Classify for Refusal {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Files of the client: the build context, or one of `--build-context`.
///
/// A tar that was unpacked is one adapter ([`crate::LocalContext`]), a client that sends files when
/// asked another.
pub trait Context: Send + Sync + fmt::Debug {
    /// Makes the wanted files available and answers the tree they are in. Called at most once per
    /// build and context, when the first step needs it; the tree is read until the build ends.
    /// `sent` is called with the bytes transferred so far.
    ///
    /// The tree may hold more than is wanted, but nothing that is excluded.
    ///
    /// # Errors
    /// The client is gone, or does not have the context.
    fn open(
        &self,
        wanted: &Wanted,
        sent: &dyn Fn(u64),
        cancel: &Cancel,
    ) -> Result<Arc<Tree>, Refusal>;
}

/// Which files of a context a build needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The sources of all steps, relative to the context, wildcards included, links to be followed:
    /// BuildKit's `followpaths`. None means everything.
    pub paths: Option<Vec<String>>,
    /// Patterns of `.dockerignore`: what they match is not there.
    pub exclude: Vec<String>,
}

/// Registries, as far as a build needs them.
pub trait Registry: Send + Sync + fmt::Debug {
    /// Pulls an image into the store. `progress` is told the state of each layer by its short
    /// digest: bytes done, bytes in all (0: unknown).
    ///
    /// # Errors
    /// In the words of `docker pull`.
    fn pull(
        &self,
        reference: &ImageRef,
        platform: &Platform,
        progress: &dyn Fn(&str, u64, u64),
        cancel: &Cancel,
    ) -> Result<ImageId, Refusal>;
}

/// What the client has for `RUN --mount=type=secret` and `type=ssh`.
pub trait Keys: Send + Sync + fmt::Debug {
    /// A secret's bytes; none if the client does not know it.
    ///
    /// # Errors
    /// The client is gone.
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, Refusal>;

    /// Lets an agent be reached by a socket at `path` until the answer is dropped; none if the
    /// client does not know it.
    ///
    /// # Errors
    /// The client is gone, or the socket cannot be made.
    fn agent(&self, id: &str, path: &Path) -> Result<Option<Box<dyn Agent>>, Refusal>;
}

/// An agent's socket; dropped, it is gone.
pub trait Agent: Send + fmt::Debug {}

/// A client without secrets and agents.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn secret(&self, _: &str) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(None)
    }

    fn agent(&self, _: &str, _: &Path) -> Result<Option<Box<dyn Agent>>, Refusal> {
        Ok(None)
    }
}

/// Runs programs of `RUN` in containers without a record.
pub trait Runner: Send + Sync + fmt::Debug {
    /// Runs a program to its end. Whatever happens, nothing of it is left when this returns: no
    /// process, no mount, no network.
    ///
    /// # Errors
    /// It could not be started, in dockerd's words; [`RunError::Cancelled`] if the build was.
    fn run(
        &self,
        run: &Run<'_>,
        output: &(dyn Fn(Stream, &[u8]) + Sync),
        cancel: &Cancel,
    ) -> Result<u32, RunError>;

    /// A build has ended: what its programs shared goes. Called once for each build, whether it had
    /// programs or not, after the last of them.
    fn ended(&self, build: &str) {
        let _ = build;
    }
}

/// Why a program has no exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The build was cancelled.
    #[error("the build was cancelled")]
    Cancelled,
    /// It could not be started.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A program to run.
#[derive(Debug)]
pub struct Run<'a> {
    /// The build, in whose control group it runs: 64 hexadecimal digits.
    pub build: &'a str,
    /// The container's identity: 64 hexadecimal digits.
    pub id: &'a str,
    /// What is run.
    pub step: &'a RunStep,
    /// The root, mounted by the runner; the upper directory in it becomes the layer.
    pub rootfs: &'a Rootfs,
    /// What is mounted, with everything fetched.
    pub mounts: &'a [ReadyMount],
    /// The network: `default`, `none`, `host` or a network's name.
    pub network: &'a str,
    /// Further lines of `/etc/hosts`, as `name:address`.
    pub extra_hosts: &'a [String],
    /// What it may use.
    pub limits: &'a Limits,
    /// The machine's name that it sees; empty for BuildKit's.
    pub hostname: &'a str,
}

/// A mount of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyMount {
    /// The absolute path it is seen at.
    pub target: PathBuf,
    /// What is seen there.
    pub source: MountSource,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// What is seen at a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A file or directory of the host.
    Host(PathBuf),
    /// Memory.
    Tmpfs {
        /// At most so many bytes; none for half of the machine's memory.
        size_bytes: Option<u64>,
    },
}

/// What a client does in the place of a failed program before it is taken away.
pub trait OnFail: Send + Sync + fmt::Debug {
    /// A program has ended with a code that is not 0. Its root, mounts and secrets are there until
    /// this returns; the step fails then. Comes back soon after the build is cancelled.
    fn failed(&self, run: &Run<'_>, cancel: &Cancel);
}

/// What a client is to a build.
#[derive(Debug, Clone)]
pub struct Client {
    /// The build context; none if there is none.
    pub context: Option<Arc<dyn Context>>,
    /// Secrets and agents.
    pub keys: Arc<dyn Keys>,
    /// Registries, with the client's credentials.
    pub registry: Arc<dyn Registry>,
    /// Who enters the place of a failed program; none if nobody does.
    pub on_fail: Option<Arc<dyn OnFail>>,
}

/// Files at addresses of the web: `ADD https://…`.
pub trait Web: Send + Sync + fmt::Debug {
    /// Asks for what is at an address and writes it to `to`; redirections are followed, never from
    /// https to http. `progress` is told the bytes done and the bytes in all (0: unknown).
    ///
    /// # Errors
    /// The server cannot be reached or answers that there is nothing; the file is too long.
    fn fetch(
        &self,
        asked: &Asked<'_>,
        to: &mut dyn std::io::Write,
        progress: &dyn Fn(u64, u64),
        cancel: &Cancel,
    ) -> Result<Answered, Refusal>;
}

/// What is asked of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The address.
    pub url: &'a str,
    /// The `ETag` of what is known: nothing is to be sent if it is still that.
    pub etag: Option<&'a str>,
}

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It is what was known, and nothing was written.
    Unchanged,
    /// It was written.
    New(Found),
}

/// What an address said of its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`, seconds since 1970.
    pub modified_s: Option<i64>,
}

/// Results of steps, kept across builds and across restarts of the engine.
pub trait Cache: Send + Sync + fmt::Debug {
    /// The result of a step; it counts as used now.
    fn get(&self, key: &Digest) -> Option<Record>;

    /// Keeps a result. What cannot be kept is only slower the next time.
    fn put(&self, key: &Digest, record: Record);

    /// Takes a result away.
    fn remove(&self, key: &Digest);

    /// All results, in no order.
    fn list(&self) -> Vec<(Digest, Record)>;
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this form: 1.
    pub v: u32,
    /// The chain with the step's layer on top; a lease on it. None for a stage without layers.
    pub chain: Option<gantry_layer::ChainId>,
    /// Whether the step made a layer.
    pub has_layer: bool,
    /// Bytes of the layer's files.
    pub size_bytes: u64,
    /// What people call it: the vertex's name.
    pub description: String,
    /// The key of the step before it.
    pub parent: Option<Digest>,
    /// When it was made, nanoseconds since 1970.
    pub created_ns: i64,
    /// When it was used last, nanoseconds since 1970.
    pub used_ns: i64,
    /// How often it was used.
    pub uses: u64,
}
