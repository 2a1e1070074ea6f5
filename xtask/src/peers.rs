//! The newest stock engines, unpacked into a private root: nothing is installed, nothing started.
//!
//! Debian's testing suite has them. Their packages are downloaded with apt under state folders of
//! its own, unpacked, and each program is bound to the libraries it came with (an interpreter and
//! an rpath of its own), so that it runs beside this machine's libraries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{apt, command, workspace};

/// The suite whose packages are taken.
const SUITE: &str = "forky";

const PACKAGES: &[&str] = &[
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "docker-compose",
    "containerd",
    "runc",
    "crun",
    "podman",
    "conmon",
    "netavark",
    "aardvark-dns",
    "skopeo",
    "umoci",
    "buildah",
    "erofs-utils",
];

/// Programs taken from the packages into `bin/`.
const PROGRAMS: &[&str] = &[
    "dockerd",
    "docker",
    "docker-proxy",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
    "crun",
    "podman",
    "conmon",
    "netavark",
    "aardvark-dns",
    "skopeo",
    "umoci",
    "buildah",
    "mkfs.erofs",
    "fsck.erofs",
    "dump.erofs",
];

/// Plug-ins of the docker command line, taken into `cli-plugins/`.
const PLUGINS: &[&str] = &["docker-buildx", "docker-compose"];

/// Unpacks them under `target/peers` if they are not there yet, and gives that folder.
/// `GANTRY_PEERS`, when set, names a folder that has them already.
pub(crate) fn fetch() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("GANTRY_PEERS") {
        return Ok(PathBuf::from(dir));
    }
    let dir = workspace::target()?.join("peers");
    let mark = dir.join("complete");
    let wanted = format!("{SUITE} {} {}", PACKAGES.join(" "), PROGRAMS.join(" "));
    if fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(dir);
    }
    apt::install()?;
    command::say("unpacking the stock engines for comparison (half a minute, once)");
    let fresh = dir.with_extension("new");
    remove(&fresh)?;
    for sub in ["root", "bin", "cli-plugins"] {
        fs::create_dir_all(fresh.join(sub))?;
    }
    let root = fresh.join("root");
    apt::unpack(Some(SUITE), PACKAGES, &root)?;
    // The programs name their libraries by absolute path, so the folder takes its place first.
    remove(&dir)?;
    fs::rename(&fresh, &dir)?;
    bind_all(&dir)?;
    fs::write(&mark, wanted)?;
    Ok(dir)
}

pub(crate) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

fn bind_all(dir: &Path) -> Result<()> {
    let mut files = Vec::new();
    walk(&dir.join("root"), &mut files)?;
    let usr = dir.join("root/usr");
    let named = |name: &str| {
        files
            .iter()
            .find(|f| f.file_name().is_some_and(|n| n == name))
    };
    let loader = named("ld-linux-x86-64.so.2")
        .or_else(|| named("ld-linux-aarch64.so.1"))
        .context("the packages hold no dynamic loader")?;
    let libc = named("libc.so.6")
        .and_then(|l| l.parent())
        .context("the packages hold no libc")?;
    let triplet = libc.file_name().context("the folder of libc")?;
    let libraries = format!(
        "{}:{}",
        libc.display(),
        dir.join("root/usr/lib").join(triplet).display()
    );
    for (names, sub) in [(PROGRAMS, "bin"), (PLUGINS, "cli-plugins")] {
        for name in names {
            let from = files
                .iter()
                .find(|f| f.starts_with(&usr) && is_program(f, name));
            let from = from.with_context(|| format!("{SUITE} has no {name}"))?;
            bind(from, &dir.join(sub).join(name), loader, &libraries)?;
        }
    }
    let init = named("tini-static")
        .or_else(|| named("tini"))
        .context("the packages hold no tini")?;
    bind(init, &dir.join("bin/docker-init"), loader, &libraries)
}

/// A program of that name, and not its completion, its AppArmor profile or (outside /usr) the script
/// that starts it as a service.
fn is_program(file: &Path, name: &str) -> bool {
    let executable = |m: fs::Metadata| m.permissions().mode() & 0o111 != 0;
    file.file_name().is_some_and(|n| n == name) && fs::metadata(file).is_ok_and(executable)
}

/// Copies a program and gives it the loader and libraries it came with; a static one stays as it is.
pub(crate) fn bind(from: &Path, to: &Path, loader: &Path, libraries: &str) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    let dynamic = Command::new("patchelf")
        .arg("--print-interpreter")
        .arg(to)
        .output()?;
    if !dynamic.status.success() {
        return Ok(());
    }
    let mut patchelf = Command::new("patchelf");
    patchelf
        .arg("--set-interpreter")
        .arg(loader)
        .args(["--force-rpath", "--set-rpath", libraries]);
    command::output(patchelf.arg(to)).map(|_| ())
}

pub(crate) fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_symlink() && entry.path().starts_with(dir) {
            // The loader is often a link.
            if entry.path().exists() && entry.path().is_file() {
                files.push(entry.path());
            }
        }
    }
    if files.len() > 1_000_000 {
        bail!("{} holds more files than packages have", dir.display());
    }
    Ok(())
}
