//! Where the programs under test and the stock ones are.

use std::path::PathBuf;

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

/// The command line that tests drive the engine with: the stock docker's, or ours where
/// `GANTRY_TEST_CLIENT` is `gantry`.
///
/// # Panics
/// As `stock`.
#[must_use]
pub fn client() -> PathBuf {
    match std::env::var_os("GANTRY_TEST_CLIENT") {
        Some(name) if name == "gantry" => ours("gantry"),
        _ => stock("docker"),
    }
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
