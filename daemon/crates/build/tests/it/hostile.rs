//! Trees that try to lead a copy out of its roots.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use gantry_build::{CopyError, Tree, copy};
use gantry_dockerfile::{Origin, TransferStep};

pub(crate) fn step(sources: &[&str], destination: &str) -> TransferStep {
    TransferStep {
        is_add: false,
        origin: Origin::Context,
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        documents: Vec::new(),
        destination: destination.to_owned(),
        chown: None,
        chmod: None,
        link: false,
        parents: false,
        exclude: Vec::new(),
        checksum: None,
        keep_git_dir: false,
        unpack: None,
    }
}

pub(crate) fn run(step: &TransferStep, from: &Path, to: &Path) -> Result<(), CopyError> {
    copy(step, &Tree::open(from).unwrap(), &Tree::open(to).unwrap())
}

/// A place with a secret beside two roots.
pub(crate) fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("from")).unwrap();
    fs::create_dir(place.path().join("to")).unwrap();
    fs::write(place.path().join("secret"), "secret").unwrap();
    place
}

#[test]
fn links_of_the_source_do_not_lead_out() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    let secret = place.path().join("secret");
    symlink(&secret, from.join("absolute")).unwrap();
    symlink("../secret", from.join("relative")).unwrap();
    symlink("..", from.join("up")).unwrap();
    for source in ["absolute", "relative", "up/secret", "../secret", "*ve"] {
        let error = run(&step(&[source], "/x"), &from, &to).unwrap_err();
        assert!(matches!(error, CopyError::NotFound(_)), "{source}: {error}");
    }
    // The root's own parent is the root, so this is a copy of the links themselves.
    run(&step(&["up"], "/all/"), &from, &to).unwrap();
    assert_eq!(
        fs::read_link(to.join("all/relative")).unwrap(),
        Path::new("../secret")
    );
}

#[test]
fn links_of_the_destination_do_not_lead_out() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(from.join("a"), "new").unwrap();
    symlink(place.path(), to.join("out")).unwrap();
    symlink("../secret", to.join("file")).unwrap();
    symlink("../../..", to.join("up")).unwrap();
    let _ = run(&step(&["a"], "/out/secret"), &from, &to);
    let _ = run(&step(&["a"], "/file"), &from, &to);
    let _ = run(&step(&["a"], "/up/secret"), &from, &to);
    let _ = run(&step(&["a"], "/out/made/secret"), &from, &to);
    assert_eq!(
        fs::read_to_string(place.path().join("secret")).unwrap(),
        "secret"
    );
    assert!(!place.path().join("made").exists());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3);
}

#[test]
fn a_directory_is_not_merged_through_a_link() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir_all(from.join("d/sub")).unwrap();
    fs::write(from.join("d/sub/file"), "new").unwrap();
    symlink(place.path(), to.join("sub")).unwrap();
    let error = run(&step(&["d"], "/"), &from, &to).unwrap_err();
    assert!(matches!(error, CopyError::NotDirectory(_)), "{error}");
    assert!(!place.path().join("file").exists());
}

#[test]
fn a_source_that_changes_into_a_link_does_not_lead_out() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(from.join("real"), "real").unwrap();
    symlink(place.path().join("secret"), from.join("bad")).unwrap();
    let (first, second) = (from.join("real"), from.join("swapped"));
    fs::copy(&first, &second).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (link, file) = (from.join("link"), from.join("file"));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                symlink(place.path().join("secret"), &link).unwrap();
                fs::rename(&link, &second).unwrap();
                fs::write(&file, "real").unwrap();
                fs::rename(&file, &second).unwrap();
            }
        });
        for _ in 0..300 {
            let _ = run(&step(&["swapped"], "/x"), &from, &to);
            let copied = fs::read_to_string(to.join("x")).unwrap_or_default();
            assert!(copied.is_empty() || copied == "real", "{copied}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir(from.join("d")).unwrap();
    fs::write(from.join("d/one"), "x").unwrap();
    fs::hard_link(from.join("d/one"), from.join("d/two")).unwrap();
    run(&step(&["d"], "/x"), &from, &to).unwrap();
    let inode = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
    assert_eq!(inode("x/one"), inode("x/two"));
}
