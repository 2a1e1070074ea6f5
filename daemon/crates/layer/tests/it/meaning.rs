//! What entries mean: overlay's whiteouts, replacements, attributes, implied directories.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gantry_layer::{ChainId, LayerStore, Layers, Limits};
use tar::EntryType;
use tempfile::TempDir;

use crate::layer_tar::{LayerTar, header};
use crate::stores::{FORMS, store};
use crate::tree::names;

struct Store {
    layers: Layers,
    root: TempDir,
}

impl Store {
    /// Runs a test on a store of each form.
    fn each(test: impl Fn(&Self)) {
        for form in FORMS {
            let root = tempfile::tempdir().unwrap();
            test(&Self {
                layers: store(root.path(), form, Limits::DEFAULT),
                root,
            });
        }
    }

    /// Stores layers on top of each other, proves that each tar comes back, and gives the top one's
    /// directory.
    fn put(&self, tars: &[Vec<u8>]) -> PathBuf {
        let staged = tars
            .iter()
            .map(|tar| self.layers.stage(&mut &**tar).unwrap())
            .collect();
        let layers = self.layers.commit(staged, None).unwrap();
        for (layer, tar) in layers.iter().zip(tars) {
            let mut out = Vec::new();
            self.layers.write_tar(&layer.chain, &mut out).unwrap();
            assert!(out == *tar);
        }
        self.directory(&layers.last().unwrap().chain)
    }

    fn directory(&self, chain: &ChainId) -> PathBuf {
        self.layers.mounted(Some(chain)).unwrap().paths[0].clone()
    }

    fn one(&self, tar: LayerTar) -> PathBuf {
        self.put(&[tar.finish()])
    }
}

fn is_whiteout(path: &Path) -> bool {
    let meta = fs::symlink_metadata(path).unwrap();
    meta.mode() & 0o170_000 == 0o020_000 && meta.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    let name = "trusted.overlay.opaque";
    matches!(rustix::fs::getxattr(path, name, &mut value[..]), Ok(1)) && value[0] == b'y'
}

#[test]
fn whiteouts_become_overlays() {
    Store::each(|store| {
        let fs = store.one(
            LayerTar::new()
                .file("a/.wh.gone", "")
                .file("b/.wh..wh..opq", "")
                .file(".wh.top", "")
                .file("c/.wh..wh.plnk", "aufs"),
        );
        assert!(is_whiteout(&fs.join("a/gone")) && is_whiteout(&fs.join("top")));
        assert!(is_opaque(&fs.join("b")) && !is_opaque(&fs.join("a")));
        assert_eq!(names(&fs), ["a", "a/gone", "b", "c", "top"]);
    });
}

#[test]
fn a_whiteout_does_not_hide_what_its_own_layer_has() {
    Store::each(|store| {
        let tar = || LayerTar::new().dir("d/");
        let before = store.one(tar().dir("d/x/").file("d/x/f", "1").file("d/.wh.x", ""));
        let after = store.one(tar().file("d/.wh.x", "").dir("d/x/").file("d/x/f", "1"));
        for fs in [before, after] {
            assert!(is_opaque(&fs.join("d/x")));
            assert_eq!(fs::read_to_string(fs.join("d/x/f")).unwrap(), "1");
        }
        let file = store.one(tar().file("d/.wh.y", "").file("d/y", "2"));
        assert_eq!(fs::read_to_string(file.join("d/y")).unwrap(), "2");
    });
}

#[test]
fn an_opaque_root_hides_every_layer_beneath() {
    Store::each(|store| {
        let base = LayerTar::new().file("a", "1").finish();
        let top = LayerTar::new()
            .file(".wh..wh..opq", "")
            .file("b", "2")
            .finish();
        store.put(&[base, top]);
        let top = store
            .layers
            .list()
            .into_iter()
            .find(|layer| layer.opaque)
            .unwrap();
        assert_eq!(store.layers.directories(Some(&top.chain)).unwrap().len(), 1);
    });
}

#[test]
fn later_entries_replace_earlier_ones_and_the_tar_still_comes_back() {
    Store::each(|store| {
        let fs = store.one(
            LayerTar::new()
                .file("f", "first")
                .file("f", "second")
                .dir("d/")
                .file("d/x", "lost")
                .dir("d/e/")
                .file("d/e/y", "lost too")
                .file("d/e/y", "and again")
                .file("d", "a file now")
                .file("g", "was a file")
                .dir("g/")
                .file("g/z", "in it")
                .symlink("s", "f")
                .file("s", "no link now")
                .hard_link("h", "f")
                .file("f", "third"),
        );
        assert_eq!(names(&fs), ["d", "f", "g", "g/z", "h", "s"]);
        let text = |name: &str| fs::read_to_string(fs.join(name)).unwrap();
        assert_eq!(
            (text("d").as_str(), text("f").as_str()),
            ("a file now", "third")
        );
        assert_eq!(
            (text("h").as_str(), text("s").as_str()),
            ("second", "no link now")
        );
    });
}

#[test]
fn symbolic_links_in_paths_stay_in_the_root() {
    Store::each(|store| {
        let fs = store.one(
            LayerTar::new()
                .dir("usr/")
                .dir("usr/lib/")
                .symlink("lib", "usr/lib")
                .symlink("abs", "/usr/lib")
                .file("lib/one", "1")
                .file("abs/two", "2")
                .hard_link("three", "lib/one"),
        );
        assert_eq!(
            names(&fs),
            [
                "abs",
                "lib",
                "three",
                "usr",
                "usr/lib",
                "usr/lib/one",
                "usr/lib/two"
            ]
        );
    });
}

#[test]
fn owners_modes_times_and_attributes() {
    Store::each(|store| {
        let mut dir = header(EntryType::Directory, "d/", "");
        dir.set_mode(0o2775);
        dir.set_gid(50);
        dir.set_cksum();
        let mut suid = header(EntryType::Regular, "d/suid", "");
        suid.set_mode(0o4755);
        suid.set_uid(1000);
        suid.set_cksum();
        let capability =
            b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        let records: [(&str, &[u8]); 4] = [
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.user.note", b"a=b"),
            ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ("mtime", b"1234567890.000000042"),
        ];
        let fs = store.one(
            LayerTar::new()
                .raw(&dir, b"")
                .raw(&suid, b"")
                .pax(&records, |tar| tar.file("d/cap", "x"))
                .symlink("d/link", "cap"),
        );
        let meta = |name: &str| fs::symlink_metadata(fs.join(name)).unwrap();
        assert_eq!((meta("d").mode() & 0o7777, meta("d").gid()), (0o2775, 50));
        assert_eq!(meta("d").mtime(), 1_600_000_000);
        assert_eq!(
            (meta("d/suid").mode() & 0o7777, meta("d/suid").uid()),
            (0o4755, 1000)
        );
        // In a set-group directory new files would get its group: the tar's is what counts.
        assert_eq!(
            (
                meta("d/suid").gid(),
                meta("d/cap").gid(),
                meta("d/link").gid()
            ),
            (0, 0, 0)
        );
        let cap = fs.join("d/cap");
        assert_eq!(
            (meta("d/cap").mtime(), meta("d/cap").mtime_nsec()),
            (1_234_567_890, 42)
        );
        assert_eq!(meta("d/link").mtime(), 1_600_000_000);
        let attribute = |name: &str| {
            let mut value = [0; 64];
            rustix::fs::getxattr(&cap, name, &mut value[..]).map(|len| value[..len].to_vec())
        };
        assert_eq!(attribute("security.capability").unwrap(), capability);
        assert_eq!(attribute("user.note").unwrap(), b"a=b");
        assert!(attribute("trusted.overlay.redirect").is_err());
    });
}

#[test]
fn devices_and_pipes() {
    Store::each(|store| {
        let mut null = header(EntryType::Char, "null", "");
        null.set_mode(0o666);
        null.set_device_major(1).unwrap();
        null.set_device_minor(3).unwrap();
        null.set_cksum();
        let fs = store.one(
            LayerTar::new()
                .raw(&null, b"")
                .entry(EntryType::Fifo, "pipe", "", b""),
        );
        let meta = fs::symlink_metadata(fs.join("null")).unwrap();
        assert_eq!((meta.mode(), meta.rdev()), (0o020_666, 0x103));
        assert_eq!(
            fs::symlink_metadata(fs.join("pipe")).unwrap().mode(),
            0o010_644
        );
    });
}

#[test]
fn directories_the_tar_forgot_are_those_of_the_layers_beneath() {
    Store::each(|store| {
        let mut secret = header(EntryType::Directory, "srv/", "");
        secret.set_mode(0o700);
        secret.set_uid(33);
        secret.set_cksum();
        let base = LayerTar::new().dir("./").raw(&secret, b"").finish();
        let fs = store.put(&[base, LayerTar::new().file("srv/new/file", "x").finish()]);
        let meta = |name: &str| fs::symlink_metadata(fs.join(name)).unwrap();
        assert_eq!(
            (meta("srv").mode() & 0o7777, meta("srv").uid()),
            (0o700, 33)
        );
        assert_eq!(meta("srv").mtime(), 1_600_000_000);
        assert_eq!(meta("srv/new").mode() & 0o7777, 0o755);
    });
}

#[test]
fn a_container_gets_an_overlay_of_the_layers() {
    Store::each(|store| {
        let mut root = header(EntryType::Directory, "./", "");
        root.set_mode(0o750);
        root.set_cksum();
        let tars = [
            LayerTar::new().file("a", "1").finish(),
            LayerTar::new().raw(&root, b"").finish(),
        ];
        store.put(&tars);
        let top = store
            .layers
            .list()
            .into_iter()
            .find(|layer| layer.parent.is_some())
            .unwrap();
        let rw = store.root.path().join("rw");
        let rootfs = store.layers.rootfs(Some(&top.chain), &rw).unwrap();
        assert_eq!(rootfs.lowers.len(), 2);
        let mount = &rootfs.mounts[0];
        let lowers = format!(
            "{}:{}",
            rootfs.lowers[0].display(),
            rootfs.lowers[1].display()
        );
        assert_eq!(mount.kind, "overlay");
        assert_eq!(
            mount.options,
            [
                format!("lowerdir={lowers}"),
                format!("upperdir={}", rw.join("upper").display()),
                format!("workdir={}", rw.join("work").display()),
            ]
        );
        assert_eq!(
            fs::metadata(rw.join("upper")).unwrap().mode() & 0o7777,
            0o750
        );
        assert_eq!(store.layers.rootfs(Some(&top.chain), &rw).unwrap(), rootfs);
        store.layers.discard(&rw).unwrap();
        store.layers.discard(&rw).unwrap();
        assert!(!rw.exists());
    });
}
