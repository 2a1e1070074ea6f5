//! Makes the embedded image `gantry/hello`: one static program, a link for each of its applets, the
//! few files a root filesystem is expected to have. The same program gives the same bytes.
//!
//! The form is docker's archive (`docker save`): `manifest.json`, the configuration, one layer.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{command, workspace};

const NAME: &str = "gantry/hello:latest";

/// Files besides the program: name, mode, content; a name that ends in `/` is a folder.
const FILES: &[(&str, u32, &str)] = &[
    ("bin/", 0o755, ""),
    ("etc/", 0o755, ""),
    ("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n"),
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("root/", 0o700, ""),
    ("tmp/", 0o1777, ""),
];

/// Writes the image's archive to `archive`; content that is there already is left alone, so that
/// what was built from it stays fresh.
pub(crate) fn write(program: &Path, archive: &Path) -> Result<()> {
    let binary = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let applets = command::output(Command::new(program).arg("applets"))?;
    let applets: Vec<&str> = applets.split_whitespace().collect();
    let image = image(&binary, &applets, &source_date())?;
    if fs::read(archive).is_ok_and(|old| old == image) {
        return Ok(());
    }
    fs::write(archive, image).with_context(|| format!("cannot write {}", archive.display()))
}

/// When the program's source was last changed: the same source gives the same image. Without a git
/// history (an unpacked archive of the source) it is the epoch.
fn source_date() -> String {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    git.args([
        "log",
        "-1",
        "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
        "--format=%cd",
    ]);
    git.env("TZ", "UTC").args(["--", "guest/hello"]);
    let date = command::output(&mut git)
        .map(|d| d.trim().to_owned())
        .unwrap_or_default();
    if date.is_empty() {
        "1970-01-01T00:00:00Z".to_owned()
    } else {
        date
    }
}

fn image(binary: &[u8], applets: &[&str], created: &str) -> Result<Vec<u8>> {
    let layer = layer(binary, applets)?;
    let diff_id = digest(&layer);
    let config = serde_json::to_vec(&json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "created": created,
        "config": {
            "Cmd": ["hello"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": { "org.opencontainers.image.title": "gantry/hello" },
            "WorkingDir": "/",
            // `serve` and `sleep` are PID 1 and have no handlers: nothing gentler reaches them.
            "StopSignal": "SIGKILL",
        },
        "history": [{ "created": created, "created_by": "cargo xtask build" }],
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
    }))?;
    let id = digest(&config);
    let manifest = serde_json::to_vec(&json!([{
        "Config": format!("{id}.json"),
        "RepoTags": [NAME],
        "Layers": [format!("{diff_id}/layer.tar")],
    }]))?;
    let mut tar = Builder::new(Vec::new());
    file(&mut tar, "manifest.json", 0o644, &manifest)?;
    file(&mut tar, &format!("{id}.json"), 0o644, &config)?;
    file(&mut tar, &format!("{diff_id}/layer.tar"), 0o644, &layer)?;
    Ok(tar.into_inner()?)
}

fn layer(binary: &[u8], applets: &[&str]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (name, mode, content) in FILES {
        file(&mut tar, name, *mode, content.as_bytes())?;
    }
    file(&mut tar, "bin/hello", 0o755, binary)?;
    for applet in applets.iter().filter(|a| **a != "hello") {
        let mut header = header(EntryType::Link, 0o755, 0);
        tar.append_link(&mut header, format!("bin/{applet}"), "bin/hello")?;
    }
    Ok(tar.into_inner()?)
}

fn file(tar: &mut Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) -> Result<()> {
    let kind = if name.ends_with('/') {
        EntryType::Directory
    } else {
        EntryType::Regular
    };
    let mut header = header(kind, mode, content.len());
    tar.append_data(&mut header, name, content)
        .with_context(|| format!("the entry {name}"))
}

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{digest, image};

    #[test]
    fn the_archive_names_what_it_holds_and_is_the_same_each_time() {
        let bytes =
            image(b"program", &["hello", "sh"], "2026-01-01T00:00:00Z").expect("an archive");
        assert_eq!(
            bytes,
            image(b"program", &["hello", "sh"], "2026-01-01T00:00:00Z").expect("an archive")
        );
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut parts = std::collections::HashMap::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a name").display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            parts.insert(name, content);
        }
        let manifest: serde_json::Value =
            serde_json::from_slice(&parts["manifest.json"]).expect("json");
        let config = manifest[0]["Config"].as_str().expect("a configuration");
        assert_eq!(format!("{}.json", digest(&parts[config])), config);
        let layer = manifest[0]["Layers"][0].as_str().expect("a layer");
        assert_eq!(format!("{}/layer.tar", digest(&parts[layer])), layer);
    }
}
