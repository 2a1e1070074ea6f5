//! An OpenSSH server that is only unpacked: installing one would start it at the next boot.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{apt, peers, workspace};

/// `sshd` under `target/sshd`, bound to the libraries it came with.
pub(crate) fn fetch() -> Result<PathBuf> {
    let dir = workspace::target()?.join("sshd");
    let program = dir.join("sshd");
    if program.exists() {
        return Ok(program);
    }
    let root = dir.join("root");
    peers::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    apt::unpack(None, &["openssh-server"], &root)?;
    let mut files = Vec::new();
    peers::walk(&root, &mut files)?;
    let named = |name: &str| {
        let found = files
            .iter()
            .find(|f| f.file_name().is_some_and(|n| n == name));
        found.with_context(|| format!("the packages hold no {name}"))
    };
    let loader = named("ld-linux-x86-64.so.2").or_else(|_| named("ld-linux-aarch64.so.1"))?;
    let libc = named("libc.so.6")?.parent().context("the folder of libc")?;
    let triplet = libc.file_name().context("the folder of libc")?;
    let libraries = format!(
        "{}:{}",
        libc.display(),
        root.join("usr/lib").join(triplet).display()
    );
    let fresh = dir.join("sshd.new");
    peers::bind(&root.join("usr/sbin/sshd"), &fresh, loader, &libraries)?;
    fs::rename(fresh, &program)?;
    Ok(program)
}
