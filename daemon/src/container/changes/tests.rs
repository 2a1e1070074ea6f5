use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
};

use rustix::fs::{Mode, XattrFlags, makedev, mknodat, setxattr};

use super::*;

/// An image's directory and a container's, by hand as the kernel's overlay leaves them.
struct Layers(tempfile::TempDir);

impl Layers {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lower")).unwrap();
        fs::create_dir(dir.path().join("upper")).unwrap();
        Self(dir)
    }

    fn at(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn file(&self, path: &str, content: &str) {
        fs::write(self.at(path), content).unwrap();
    }

    fn dir(&self, path: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn whiteout(&self, path: &str) {
        let path = self.at(path);
        let cwd = rustix::fs::CWD;
        mknodat(
            cwd,
            &path,
            FileType::CharacterDevice,
            Mode::empty(),
            makedev(0, 0),
        )
        .unwrap();
    }

    fn mark(&self, path: &str, name: &str, value: &str) {
        let path = self.dir(path);
        let name = format!("trusted.overlay.{name}");
        setxattr(&path, name, value.as_bytes(), XattrFlags::empty()).unwrap();
    }

    fn told(&self) -> Vec<String> {
        let open = |name: &str| File::open(self.0.path().join(name)).unwrap();
        let (upper, lower) = (open("upper"), open("lower"));
        let changes = compare(upper.as_fd(), lower.as_fd()).unwrap();
        let letter = |kind: u8| ["C", "A", "D"][usize::from(kind)];
        let line = |change: &FilesystemChange| format!("{} {}", letter(change.kind), change.path);
        changes.iter().map(line).collect()
    }
}

#[test]
fn added_changed_and_deleted_are_told_apart() {
    let layers = Layers::new();
    layers.file("lower/etc/passwd", "root");
    layers.file("lower/etc/group", "root");
    layers.file("upper/etc/passwd", "root and more");
    layers.whiteout("upper/etc/group");
    layers.file("upper/new/deep/file", "");
    assert_eq!(
        layers.told(),
        [
            "C /etc",
            "C /etc/passwd",
            "D /etc/group",
            "A /new",
            "A /new/deep",
            "A /new/deep/file"
        ]
    );
}

#[test]
fn a_copy_that_is_the_same_is_no_change() {
    let layers = Layers::new();
    layers.file("lower/dir/file", "same");
    layers.dir("upper/dir");
    let copied = std::process::Command::new("cp")
        .arg("-p")
        .args([layers.at("lower/dir/file"), layers.at("upper/dir/file")])
        .status();
    assert!(copied.unwrap().success());
    assert_eq!(layers.told(), [""; 0]);
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(layers.at("upper/dir/file"), mode).unwrap();
    assert_eq!(layers.told(), ["C /dir", "C /dir/file"]);
}

#[test]
fn an_opaque_directory_has_lost_what_it_does_not_hold() {
    let layers = Layers::new();
    layers.file("lower/dir/a", "");
    layers.file("lower/dir/sub/b", "");
    layers.mark("upper/dir", "opaque", "y");
    layers.file("upper/dir/new", "");
    assert_eq!(
        layers.told(),
        ["C /dir", "A /dir/new", "D /dir/a", "D /dir/sub"]
    );
}

#[test]
fn a_file_in_the_place_of_a_directory_is_one_change() {
    let layers = Layers::new();
    layers.file("lower/dir/a", "");
    layers.file("lower/file", "");
    layers.file("upper/dir", "");
    layers.file("upper/file/inside", "");
    assert_eq!(layers.told(), ["C /dir", "C /file", "A /file/inside"]);
}

#[test]
fn a_renamed_directory_shows_the_one_it_was() {
    let layers = Layers::new();
    layers.file("lower/old/a", "");
    layers.file("lower/old/sub/b", "");
    layers.file("lower/kept/c", "");
    layers.whiteout("upper/old");
    layers.mark("upper/new", "redirect", "/old");
    layers.whiteout("upper/new/a");
    layers.mark("upper/kept", "redirect", "old");
    let told = layers.told();
    assert_eq!(
        told,
        [
            "C /kept",
            "A /kept/a",
            "A /kept/sub",
            "A /kept/sub/b",
            "D /kept/c",
            "A /new",
            "A /new/sub",
            "A /new/sub/b",
            "D /old"
        ]
    );
}

#[test]
fn what_every_container_has_is_not_told() {
    let layers = Layers::new();
    for file in [".dockerenv", "etc/hosts", "etc/resolv.conf", "dev/console"] {
        layers.file(&format!("upper/{file}"), "");
    }
    layers.dir("upper/proc");
    assert_eq!(layers.told(), [""; 0]);
    layers.file("upper/etc/own", "");
    assert_eq!(layers.told(), ["C /etc", "A /etc/own"]);
}

#[test]
fn links_are_never_followed() {
    let layers = Layers::new();
    layers.dir("lower/real");
    symlink("/etc", layers.at("lower/link")).unwrap();
    layers.file("upper/link/passwd", "");
    symlink("/etc", layers.at("upper/real")).unwrap();
    assert_eq!(layers.told(), ["C /link", "A /link/passwd", "C /real"]);
}
