//! The ways to a builder that are compared: ours by each of its doors, and the peers.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use integration_tests::Engine;

use super::buildah::Buildah;

/// A builder and the client that calls it.
pub(super) struct Door<'a> {
    pub(super) name: &'static str,
    pub(super) builder: Builder<'a>,
}

/// Who is called, and how.
#[derive(Clone, Copy)]
pub(super) enum Builder<'a> {
    /// `docker buildx build`.
    Buildx(&'a Engine),
    /// `docker build` with `DOCKER_BUILDKIT=0`.
    Classic(&'a Engine),
    /// `gantry build`.
    Gantry(&'a Engine),
    /// `buildah build`, which has no daemon.
    Buildah(&'a Buildah<'a>),
}

/// Whether results of earlier builds may be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    Used,
    Ignored,
}

impl Door<'_> {
    /// Builds a folder; milliseconds from the client's start to its end.
    pub(super) fn build(&self, folder: &Path, cache: Cache) -> f64 {
        let mut command = self.command(folder, cache);
        let start = Instant::now();
        run(&mut command);
        start.elapsed().as_secs_f64() * 1e3
    }

    /// The client's command that builds a folder.
    pub(super) fn command(&self, folder: &Path, cache: Cache) -> Command {
        let mut words = match cache {
            Cache::Used => vec![],
            Cache::Ignored => vec!["--no-cache"],
        };
        words.extend(folder.to_str());
        match self.builder {
            Builder::Buildx(engine) => client(engine, &["buildx", "build"], &words),
            Builder::Classic(engine) => {
                let mut command = client(engine, &["build"], &words);
                command.env("DOCKER_BUILDKIT", "0");
                command
            }
            Builder::Gantry(engine) => engine.gantry().command(&[&["build"], &words[..]].concat()),
            Builder::Buildah(buildah) => buildah.build(&words),
        }
    }

    /// How long the client's program takes to start and end, milliseconds.
    pub(super) fn start_up(&self) -> f64 {
        let mut command = match self.builder {
            Builder::Buildx(engine) => client(engine, &["buildx", "version"], &[]),
            Builder::Classic(engine) => client(engine, &["--version"], &[]),
            Builder::Gantry(engine) => engine.gantry().command(&["--version"]),
            Builder::Buildah(buildah) => buildah.command(&["--version"]),
        };
        let start = Instant::now();
        run(&mut command);
        start.elapsed().as_secs_f64() * 1e3
    }

    /// Lets the builder forget all builds and all files that it was sent.
    pub(super) fn forget(&self) {
        match self.builder {
            Builder::Buildx(engine) | Builder::Classic(engine) | Builder::Gantry(engine) => {
                run(&mut client(engine, &["image", "prune", "-f"], &[]));
                run(&mut client(engine, &["buildx", "prune", "-af"], &[]));
            }
            Builder::Buildah(buildah) => run(&mut buildah.command(&["prune", "-f"])),
        }
    }
}

fn client(engine: &Engine, verb: &[&str], words: &[&str]) -> Command {
    let mut command = engine.docker().command(&[verb, words].concat());
    // What the peers' doors cannot all make is made by none.
    command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
    command
}

pub(super) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.expect("the client starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
