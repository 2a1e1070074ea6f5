//! Servers that nobody here wrote, for containers: nginx, PostgreSQL and Redis as Debian packs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{apt, command, peers, workspace};

const PACKAGES: &[&str] = &[
    "nginx-light",
    "postgresql",
    "redis-server",
    "dash",
    "coreutils",
];

/// What the tests do not use: it would be most of the image.
const UNUSED: &[&str] = &[
    "usr/lib/llvm-14",
    "usr/lib/systemd",
    "usr/lib/udev",
    "usr/lib/x86_64-linux-gnu/perl",
    "usr/lib/x86_64-linux-gnu/perl-base",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl",
];
/// Compiles queries, which is optional.
const COMPILER: &str = "libLLVM";

/// A root filesystem with all three under `target/servers`, as a tar.
pub(crate) fn fetch() -> Result<PathBuf> {
    let dir = workspace::target()?.join("servers");
    let tar = dir.join("root.tar");
    let mark = dir.join("complete");
    let wanted = format!("{PACKAGES:?} {UNUSED:?}");
    if fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(tar);
    }
    command::say("unpacking nginx, PostgreSQL and Redis under target/servers (once)");
    peers::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    let root = dir.join("root");
    apt::unpack(None, PACKAGES, &root)?;
    prepare(&root)?;
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".");
    command::output(&mut pack)?;
    peers::remove(&root)?;
    fs::write(&mark, wanted)?;
    Ok(tar)
}

/// What the packages' own scripts would have done, as far as the tests need it.
fn prepare(root: &Path) -> Result<()> {
    for unused in UNUSED {
        peers::remove(&root.join(unused))?;
    }
    let mut files = Vec::new();
    peers::walk(root, &mut files)?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(COMPILER) {
            fs::remove_file(&file)?;
        }
    }
    for dir in ["tmp", "run", "var/log/nginx", "var/lib/nginx", "data"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let users = "root:x:0:0::/root:/bin/sh\nserver:x:999:999::/data:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users)?;
    fs::write(
        root.join("etc/group"),
        "root:x:0:\nserver:x:999:\nnogroup:x:65534:\n",
    )?;
    Ok(())
}
