//! What containers need of images: root filesystems, files, volumes' first contents.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gantry_ids::ContainerId;
use gantry_image::{ImageError, ImageStore, RemoveOptions};

use crate::archives::{LayersNow, TestStore, config, docker, layer, tar_of};

fn store() -> TestStore {
    let store = TestStore::new();
    let layers = [
        tar_of(&[
            ("etc/passwd", b"root:x:0:0"),
            ("data/a", b"lower"),
            ("data/b", b"gone"),
        ]),
        tar_of(&[
            ("data/a", b"upper"),
            ("data/.wh.b", b""),
            ("data/sub/c", b"deep"),
        ]),
    ];
    store.load(&docker(&[(config(&layers), &layers, &["app:1"])]));
    store
}

#[test]
fn one_engine_has_the_root() {
    let store = store();
    let error = ImageStore::open(&store.root.path().join("image")).unwrap_err();
    assert!(matches!(error, ImageError::InUse { .. }));
    assert!(
        error
            .to_string()
            .contains("another engine is using this data root"),
        "{error}"
    );
}

#[test]
fn files_of_an_image_are_read_without_a_container() {
    let store = store();
    let id = store.images.find("app:1").unwrap().id;
    let read = |path: &str| {
        let mut text = String::new();
        let file = store.images.open_in_image(&id, Path::new(path)).unwrap()?;
        { file }.read_to_string(&mut text).unwrap();
        Some(text)
    };
    assert_eq!(read("/etc/passwd").as_deref(), Some("root:x:0:0"));
    assert_eq!(read("data/a").as_deref(), Some("upper"));
    assert_eq!(read("/../../data/sub/c").as_deref(), Some("deep"));
    for path in ["/data/b", "/etc", "/nothing", "/etc/passwd/x", "/"] {
        assert_eq!(read(path), None, "{path}");
    }
}

#[test]
fn volumes_begin_with_what_the_image_has() {
    let store = store();
    let id = store.images.find("app:1").unwrap().id;
    let volume = store.root.path().join("volume");
    fs::create_dir(&volume).unwrap();
    store
        .images
        .copy_up(&id, Path::new("/data"), &volume)
        .unwrap();
    assert_eq!(fs::read_to_string(volume.join("a")).unwrap(), "upper");
    assert_eq!(fs::read_to_string(volume.join("sub/c")).unwrap(), "deep");
    assert!(!volume.join("b").exists());
    let meta = fs::metadata(volume.join("a")).unwrap();
    assert_eq!((meta.mtime(), meta.mode() & 0o7777), (1, 0o644));
    assert_eq!(fs::metadata(&volume).unwrap().mode() & 0o7777, 0o755);
    // Not a directory, not there: nothing happens.
    let other = store.root.path().join("other");
    fs::create_dir(&other).unwrap();
    store
        .images
        .copy_up(&id, Path::new("/etc/passwd"), &other)
        .unwrap();
    store
        .images
        .copy_up(&id, Path::new("/nothing"), &other)
        .unwrap();
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
}

#[test]
fn layers_stay_while_a_container_needs_them() {
    let store = store();
    let id = store.images.find("app:1").unwrap().id;
    let container = ContainerId::generate();
    let rw = store.root.path().join("rw");
    let rootfs = store.images.prepare_rootfs(&container, &id, &rw).unwrap();
    // Two layers, and what the engine provides.
    assert_eq!(rootfs.lowers.len(), 3);
    let force = RemoveOptions {
        force: true,
        keep_parents: false,
    };
    store
        .images
        .remove("app:1", force, &|_| Vec::new())
        .unwrap();
    assert_eq!(
        (store.images.list().len(), store.images.layers_now()),
        (0, 2)
    );
    // A restart: the container is adopted, then the sweep leaves it its layers.
    let store = store.reopen();
    let again = store
        .images
        .adopt_rootfs(&container, rootfs.chain.as_ref(), &rw)
        .unwrap();
    assert_eq!(again, rootfs);
    store.images.sweep().unwrap();
    assert_eq!(store.images.layers_now(), 2);
    fs::write(rootfs.upper.join("written"), "12345").unwrap();
    fs::hard_link(rootfs.upper.join("written"), rootfs.upper.join("again")).unwrap();
    assert_eq!(store.images.upper_bytes(&rw).unwrap(), 5);
    store.images.release_rootfs(&container, &rw).unwrap();
    store.images.release_rootfs(&container, &rw).unwrap();
    assert_eq!(store.images.layers_now(), 0);
    assert!(!rw.exists());
}

#[test]
fn the_sweep_removes_what_nothing_needs() {
    let store = store();
    let id = store.images.find("app:1").unwrap().id;
    let container = ContainerId::generate();
    let rw = store.root.path().join("rw");
    store.images.prepare_rootfs(&container, &id, &rw).unwrap();
    let force = RemoveOptions {
        force: true,
        keep_parents: false,
    };
    store
        .images
        .remove("app:1", force, &|_| Vec::new())
        .unwrap();
    // The container's record did not survive: nobody adopts it.
    let store = store.reopen();
    assert_eq!(store.images.layers_now(), 2);
    store.images.sweep().unwrap();
    assert_eq!(store.images.layers_now(), 0);
}

#[test]
fn the_overlay_of_a_container_can_be_mounted() {
    let store = store();
    let id = store.images.find("app:1").unwrap().id;
    let rw = store.root.path().join("rw");
    let rootfs = store
        .images
        .prepare_rootfs(&ContainerId::generate(), &id, &rw)
        .unwrap();
    let target = store.root.path().join("merged");
    fs::create_dir(&target).unwrap();
    let options = rootfs.mounts[0].options.join(",");
    let command = |program: &str, arguments: &[&str]| {
        let status = std::process::Command::new(program)
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
    };
    let target_text = target.to_str().unwrap();
    command(
        "mount",
        &["-t", "overlay", "overlay", "-o", &options, target_text],
    );
    let text = fs::read_to_string(target.join("data/a"));
    let gone = target.join("data/b").exists();
    let mark = fs::symlink_metadata(target.join(".dockerenv")).map(|file| file.mode());
    let mounts = fs::read_link(target.join("etc/mtab"));
    let own = fs::read_dir(&rootfs.upper).unwrap().count();
    command("umount", &[target_text]);
    assert_eq!((text.unwrap().as_str(), gone), ("upper", false));
    // The engine's own entries lie beneath, none in the container's layer.
    assert_eq!((mark.unwrap(), own), (0o100_755, 0));
    assert_eq!(mounts.unwrap(), Path::new("/proc/mounts"));
}

#[test]
fn an_image_without_layers_has_a_root_filesystem_too() {
    let store = TestStore::new();
    store.load(&docker(&[(config(&[]), &[], &["none:1"])]));
    let id = store.images.find("none:1").unwrap().id;
    let rw = store.root.path().join("rw");
    let rootfs = store
        .images
        .prepare_rootfs(&ContainerId::generate(), &id, &rw)
        .unwrap();
    assert_eq!((rootfs.chain, rootfs.lowers.len()), (None, 2));
    let one = [layer("x")];
    store.load(&docker(&[(config(&one), &one, &["one:1"])]));
}
