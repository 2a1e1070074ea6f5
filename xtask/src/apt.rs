//! Debian packages: those that tests need, installed when they are missing, and those that are only
//! unpacked into a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{command, peers};

/// Everything the tests need from Debian, and why. Never docker.io: its installation starts a
/// daemon and changes the host's firewall.
pub(crate) const PACKAGES: &[(&str, &str)] = &[
    ("busybox-static", "a root filesystem of one file"),
    ("conntrack", "`conntrack`, to see which connections live"),
    ("dnsmasq-base", "a name server nobody here wrote"),
    ("docker-registry", "a registry nobody here wrote"),
    ("git", "repositories as contexts of builds"),
    (
        "iproute2",
        "`ip`, to look at what our netlink messages made",
    ),
    (
        "nftables",
        "`nft`, to look at what our nftables messages made",
    ),
    ("openssh-client", "docker -H ssh://"),
    ("openssl", "keys of a token server"),
    ("patchelf", "binds the stock engines to their own libraries"),
    ("python3-venv", "docker-py, a client nobody here wrote"),
    ("procps", "`ps`, for top; `sysctl`"),
    (
        "xfsprogs",
        "a file system that copies a disk's file at one instant",
    ),
    ("xz-utils", "packs what our reader unpacks"),
];

/// Installs those that are missing; silent when there is nothing to do.
pub(crate) fn install() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .map(|(p, _)| *p)
        .filter(|p| !installed(p))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    command::say(&format!("installing {}", missing.join(" ")));
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-o", "Acquire::Retries=3"]).args(args);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        command::output(&mut apt).map(|_| ())
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    if apt(&install).is_ok() {
        return Ok(());
    }
    apt(&["update"])?;
    apt(&install).with_context(|| format!("the tests need {}", missing.join(", ")))
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f=${Status}", package])
        .output()
        .is_ok_and(|o| o.status.success() && o.stdout.ends_with(b"install ok installed"))
}

/// Unpacks packages, with all they depend on, into `root`, and installs nothing. `suite` is one of
/// Debian's; without it, the suites of this machine's own sources.
pub(crate) fn unpack(suite: Option<&str>, packages: &[&str], root: &Path) -> Result<()> {
    let state = root.with_extension("apt");
    let archives = state.join("archives");
    peers::remove(&state)?;
    fs::create_dir_all(&state)?;
    fs::write(state.join("status"), "")?;
    let mut options = Vec::new();
    if let Some(suite) = suite {
        let sources = state.join("sources.list");
        fs::write(
            &sources,
            format!("deb [trusted=yes] {} {suite} main\n", mirror()?),
        )?;
        options.push(("Dir::Etc::sourcelist", sources));
        options.push(("Dir::Etc::sourceparts", "/dev/null".into()));
        options.push(("Dir::Etc::preferencesparts", "/dev/null".into()));
    }
    options.push(("Dir::State::status", state.join("status")));
    options.push(("Dir::Cache::archives", archives.clone()));
    fetch(packages, &state, options)?;
    fs::create_dir_all(root)?;
    for entry in fs::read_dir(&archives)? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|e| e == "deb") {
            command::output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
        }
    }
    peers::remove(&state)
}

/// Downloads packages, with all they depend on that the tree `root` lacks, into `to`.
pub(crate) fn download(packages: &[&str], root: &Path, to: &Path) -> Result<()> {
    let state = to.with_extension("apt");
    peers::remove(&state)?;
    let options = vec![
        ("Dir::State::status", root.join("var/lib/dpkg/status")),
        ("Dir::Cache::archives", to.to_owned()),
    ];
    fetch(packages, &state, options)?;
    for left in ["lock", "partial"] {
        let left = to.join(left);
        if left.is_dir() {
            peers::remove(&left)?;
        } else if left.exists() {
            fs::remove_file(left)?;
        }
    }
    peers::remove(&state)
}

/// Downloads packages with lists of their own in `state`; the options say what is there already, and
/// where to.
fn fetch(packages: &[&str], state: &Path, mut options: Vec<(&str, PathBuf)>) -> Result<()> {
    fs::create_dir_all(state.join("lists/partial"))?;
    for (key, path) in &options {
        if *key == "Dir::Cache::archives" {
            fs::create_dir_all(path.join("partial"))?;
        }
    }
    options.extend([
        ("Dir::State::lists", state.join("lists")),
        ("Dir::Cache", state.to_owned()),
        ("APT::Install-Recommends", "false".into()),
        ("APT::Sandbox::User", "root".into()),
        ("Acquire::Retries", "3".into()),
        ("Debug::NoLocking", "true".into()),
    ]);
    let apt = |args: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq");
        for (key, value) in &options {
            apt.arg("-o").arg(format!("{key}={}", value.display()));
        }
        command::output(apt.args(args)).map(|_| ())
    };
    apt(&["update"])?;
    apt(&[&["-y", "--download-only", "install"], packages].concat())
}

/// Makes a tree of this machine's own suite, Debian's minimum and these packages, with the
/// `mmdebstrap` that was unpacked into `tools`.
pub(crate) fn tree(tools: &Path, packages: &[&str], root: &Path) -> Result<()> {
    let release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let suite = release
        .lines()
        .find_map(|l| l.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no VERSION_CODENAME")?;
    // It is a script, which uses this machine's apt and perl.
    let mut build = Command::new("perl");
    build.arg(tools.join("usr/bin/mmdebstrap"));
    build.args(["--mode=root", "--variant=minbase", "--quiet"]);
    build.arg("--aptopt=APT::Install-Recommends \"false\"");
    build.arg("--aptopt=Acquire::Retries \"3\"");
    build.arg(format!("--include={}", packages.join(",")));
    build.arg(suite).arg(root).arg(mirror()?);
    command::output(&mut build).map(|_| ())
}

/// The Debian mirror this machine uses, from its apt sources (one-line and deb822 form).
pub(crate) fn mirror() -> Result<String> {
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
