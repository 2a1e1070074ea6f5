//! Where the programs under test and the stock ones are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of ours, from the folder `cargo xtask build` fills.
///
/// # Panics
/// When the tests are not run by `cargo xtask test`, which sets the folder.
#[must_use]
pub fn ours(name: &str) -> PathBuf {
    find("GANTRY_PROGRAMS", "", name)
}

/// A stock program: dockerd, docker, runc, crun, …
///
/// # Panics
/// When the tests are not run by `cargo xtask test`, which sets the folder.
#[must_use]
pub fn stock(name: &str) -> PathBuf {
    find("GANTRY_PEERS", "bin", name)
}

/// Names the command line that drives the engine: `gantry`, or the path of another.
pub const CLIENT: &str = "GANTRY_TEST_CLIENT";

/// The command line that tests drive the engine with: the stock docker's, or what [`CLIENT`] names.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn client() -> PathBuf {
    match std::env::var_os(CLIENT) {
        Some(name) if name == "gantry" => ours("gantry"),
        Some(path) if Path::new(&path).is_absolute() => path.into(),
        _ => stock("docker"),
    }
}

/// The stock command line whose time is measured: the machine's own `docker` where that is of a release we
/// compare with, else the peers'.
///
/// Debian's build of it spends four times as long on its own start as Docker's (59 ms and 17 ms for
/// `docker --version`), which would hide what the engines behind it differ by.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn measured_client() -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|dir| dir.join("docker"))
        .find(|docker| major(docker).is_some_and(|major| major >= OLDEST_CLIENT))
        .unwrap_or_else(|| stock("docker"))
}

/// The release of the docker command line that the project follows.
const OLDEST_CLIENT: u32 = 28;

/// The major version of a docker command line: `Docker version 28.2.2, build e6534b4`.
fn major(docker: &Path) -> Option<u32> {
    let told = Command::new(docker).arg("--version").output().ok()?.stdout;
    let told = String::from_utf8(told).ok()?;
    let version = told.strip_prefix("Docker version ")?;
    version.split('.').next()?.parse().ok()
}

/// The folder of the docker command line's plug-ins (buildx, compose).
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn plugins() -> PathBuf {
    find("GANTRY_PEERS", "", "cli-plugins")
}

/// The python that has docker-py.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn python() -> PathBuf {
    let python = std::env::var_os("GANTRY_PYTHON");
    PathBuf::from(python.expect("GANTRY_PYTHON is not set: run the tests by `cargo xtask test`"))
}

/// An OpenSSH server.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn sshd() -> PathBuf {
    let sshd = std::env::var_os("GANTRY_SSHD");
    PathBuf::from(sshd.expect("GANTRY_SSHD is not set: run the tests by `cargo xtask test`"))
}

/// A root filesystem with nginx, PostgreSQL and Redis, as a tar.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn servers() -> PathBuf {
    let servers = std::env::var_os("GANTRY_SERVERS");
    PathBuf::from(servers.expect("GANTRY_SERVERS is not set: run the tests by `cargo xtask test`"))
}

/// The folder of base images for builds: `debian.tar`, and `rust.tar` and `node.tar` with what belongs on top
/// of it; packages that it lacks in `debs`.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn bases() -> PathBuf {
    let bases = std::env::var_os("GANTRY_BASES");
    PathBuf::from(bases.expect("GANTRY_BASES is not set: run the tests by `cargo xtask test`"))
}

fn find(variable: &str, sub: &str, name: &str) -> PathBuf {
    let dir = std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: run the tests by `cargo xtask test`"));
    let path = PathBuf::from(dir).join(sub).join(name);
    assert!(
        path.exists(),
        "{} is missing: run the tests by `cargo xtask test`",
        path.display()
    );
    path
}
