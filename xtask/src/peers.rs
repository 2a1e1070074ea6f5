//! The newest stock engines, unpacked into a private root: nothing is installed, nothing started.
//!
//! Debian's testing suite has them. Their packages are downloaded with apt under state folders of
//! its own, unpacked, and each program is bound to the libraries it came with (an interpreter and
//! an rpath of its own), so that it runs beside this machine's libraries.

use std::fs;
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
    download(&fresh.join("apt"), &root)?;
    remove(&fresh.join("apt"))?;
    // The programs name their libraries by absolute path, so the folder takes its place first.
    remove(&dir)?;
    fs::rename(&fresh, &dir)?;
    bind_all(&dir)?;
    fs::write(&mark, wanted)?;
    Ok(dir)
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Downloads the packages with all they depend on, and unpacks them into `root`.
fn download(state: &Path, root: &Path) -> Result<()> {
    for sub in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(state.join(sub))?;
    }
    let sources = state.join("sources.list");
    fs::write(
        &sources,
        format!("deb [trusted=yes] {} {SUITE} main\n", mirror()?),
    )?;
    fs::write(state.join("status"), "")?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq");
        for (key, value) in [
            ("Dir::Etc::sourcelist", sources.clone()),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::Etc::preferencesparts", "/dev/null".into()),
            ("Dir::State::lists", state.join("lists")),
            ("Dir::State::status", state.join("status")),
            ("Dir::Cache", state.to_path_buf()),
            ("Dir::Cache::archives", state.join("archives")),
            ("APT::Install-Recommends", "false".into()),
            ("APT::Sandbox::User", "root".into()),
            ("Acquire::Retries", "3".into()),
            ("Debug::NoLocking", "true".into()),
        ] {
            apt.arg("-o").arg(format!("{key}={}", value.display()));
        }
        apt
    };
    command::output(apt().arg("update"))?;
    command::output(
        apt()
            .args(["-y", "--download-only", "install"])
            .args(PACKAGES),
    )?;
    for entry in fs::read_dir(state.join("archives"))? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|e| e == "deb") {
            command::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
        }
    }
    Ok(())
}

/// The Debian mirror this machine uses, from its apt sources (one-line and deb822 form).
fn mirror() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(|e| Some(e.ok()?.path())));
    }
    let text: String = files
        .iter()
        .filter_map(|f| fs::read_to_string(f).ok())
        .collect();
    find_mirror(&text).context("no Debian mirror in the apt sources of this machine")
}

fn find_mirror(sources: &str) -> Option<String> {
    let lines = sources
        .lines()
        .map(str::trim)
        .filter(|l| !l.starts_with('#'));
    lines
        .flat_map(str::split_whitespace)
        .find(|w| w.contains("://") && w.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

fn bind_all(dir: &Path) -> Result<()> {
    let mut files = Vec::new();
    walk(&dir.join("root"), &mut files)?;
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
            let from = named(name).with_context(|| format!("{SUITE} has no {name}"))?;
            bind(from, &dir.join(sub).join(name), loader, &libraries)?;
        }
    }
    let init = named("tini-static")
        .or_else(|| named("tini"))
        .context("the packages hold no tini")?;
    bind(init, &dir.join("bin/docker-init"), loader, &libraries)
}

/// Copies a program and gives it the loader and libraries it came with; a static one stays as it is.
fn bind(from: &Path, to: &Path, loader: &Path, libraries: &str) -> Result<()> {
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

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::find_mirror;

    #[test]
    fn the_mirror_is_found_in_both_forms_of_sources() {
        let line = "# deb http://old/debian x main\ndeb [arch=amd64] http://m.example/debian stable main\n";
        assert_eq!(
            find_mirror(line).as_deref(),
            Some("http://m.example/debian")
        );
        let deb822 = "Types: deb\nURIs: http://m.example/debian/\nSuites: stable\n";
        assert_eq!(
            find_mirror(deb822).as_deref(),
            Some("http://m.example/debian/")
        );
        assert_eq!(
            find_mirror("deb http://m.example/debian-security s main"),
            None
        );
    }
}
