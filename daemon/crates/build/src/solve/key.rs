//! Keys of steps: digests over the key before and what the step does.
//!
//! Settings that only the image's configuration holds change no key, and times of files never do.

use gantry_dockerfile::{Origin, RunStep, TransferStep};
use gantry_ids::Digest;
use gantry_layer::ChainId;
use sha2::Digest as _;

/// The version of everything below: another one makes all keys new.
const VERSION: &str = "gantry.build.1";

/// A digest over parts, each with its length, so that no two lists of parts are the same.
#[derive(Debug)]
pub(super) struct Hasher(sha2::Sha256);

impl Hasher {
    pub(super) fn new(kind: &str) -> Self {
        let mut hasher = Self(sha2::Sha256::new());
        hasher.part(VERSION).part(kind);
        hasher
    }

    pub(super) fn part(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.part(number.to_le_bytes())
    }

    pub(super) fn list<P: AsRef<[u8]>>(&mut self, parts: impl IntoIterator<Item = P>) -> &mut Self {
        let parts: Vec<P> = parts.into_iter().collect();
        self.number(parts.len() as u64);
        for part in parts {
            self.part(part);
        }
        self
    }

    pub(super) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

/// The key of a stage's start.
pub(super) fn start(chain: Option<&ChainId>, epoch_s: u64) -> Digest {
    let mut hasher = Hasher::new("start");
    hasher.part(chain.map(ToString::to_string).unwrap_or_default());
    hasher.number(epoch_s);
    hasher.finish()
}

/// The key of a `WORKDIR`.
pub(super) fn directory(before: &Digest, path: &str, user: &str) -> Digest {
    let mut hasher = Hasher::new("directory");
    hasher.part(before.as_bytes()).part(path).part(user);
    hasher.finish()
}

/// The key of a `COPY` or `ADD` whose files have a digest.
pub(super) fn transfer(before: &Digest, step: &TransferStep, files: &Digest) -> Digest {
    let mut hasher = Hasher::new(if step.is_add { "add" } else { "copy" });
    // Linked files lie on nothing.
    if !step.link {
        hasher.part(before.as_bytes());
    }
    hasher.part(files.as_bytes()).part(&step.destination);
    hasher.list(step.chown.iter());
    hasher.part(format!("{:?}", step.chmod));
    hasher.list(step.exclude.iter());
    hasher.list(step.documents.iter().flat_map(|(name, body)| [name, body]));
    let is_context = step.origin == Origin::Context;
    let unpack = step.unpack.map_or(2, u64::from);
    for flag in [step.link, step.parents, is_context, step.keep_git_dir] {
        hasher.number(u64::from(flag));
    }
    hasher.number(unpack);
    let key = hasher.finish();
    if step.link {
        // The layer is the same wherever it lies; the result is not.
        let mut hasher = Hasher::new("link");
        hasher.part(before.as_bytes()).part(key.as_bytes());
        return hasher.finish();
    }
    key
}

/// The key of a `RUN`; `mounts` stands for what is mounted, contents included. Where it is: its
/// network, and the machine's name, if one was chosen.
pub(super) fn run(
    before: &Digest,
    step: &RunStep,
    mounts: &[Digest],
    (network, hostname): (&str, &str),
) -> Digest {
    let mut hasher = Hasher::new("run");
    hasher.part(before.as_bytes());
    hasher.list(&step.args);
    hasher.list(step.env.iter().flat_map(|(name, value)| [name, value]));
    hasher.part(&step.dir).part(&step.user).part(network);
    hasher.part(format!("{:?}", step.security));
    hasher.part(format!("{:?}", step.devices));
    hasher.list(
        step.script
            .iter()
            .flat_map(|script| [&script.path, &script.text]),
    );
    hasher.list(mounts.iter().map(Digest::as_bytes));
    if !hostname.is_empty() {
        hasher.part(hostname);
    }
    hasher.finish()
}
