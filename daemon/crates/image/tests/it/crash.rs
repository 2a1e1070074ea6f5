//! A load that is killed at any instant leaves each image whole or gone, and no rubbish.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_image::ImageStore;
use gantry_layer::LayerStore;

use crate::archives::{config, docker, tar_of};

const KILLS: u32 = 20;

/// The example program that loads an archive; cargo builds it with the tests.
fn loader() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let loader = test
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join("load");
    assert!(
        loader.exists(),
        "{} is missing: build with --examples",
        loader.display()
    );
    loader
}

/// Every second store keeps its layers as files.
fn word(number: u32) -> &'static str {
    if number.is_multiple_of(2) {
        "directory"
    } else {
        "erofs"
    }
}

fn start(root: &Path, archive: &Path, form: &str) -> Child {
    let mut command = Command::new(loader());
    command
        .arg(root)
        .arg(archive)
        .arg(form)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Two images that share a layer, of a few hundred files each.
fn archive(directory: &Path) -> PathBuf {
    let layer = |name: &str| {
        let names: Vec<_> = (0..200).map(|number| format!("{name}/{number}")).collect();
        let files: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), name.as_bytes()))
            .collect();
        tar_of(&files)
    };
    let (one, two) = ([layer("base"), layer("one")], [layer("base"), layer("two")]);
    let path = directory.join("archive.tar");
    let images = docker(&[
        (config(&one), &one, &["one:1"]),
        (config(&two), &two, &["two:1"]),
    ]);
    std::fs::write(&path, images).unwrap();
    path
}

/// Proves that every image is whole and that nothing lies about; gives the images' names.
fn inspect(root: &Path) -> Vec<String> {
    let store = ImageStore::open(root).unwrap();
    store.sweep().unwrap();
    for layer in store.layers().list() {
        // Compares the digest too.
        store
            .layers()
            .write_tar(&layer.chain, &mut std::io::sink())
            .unwrap();
    }
    let layers = store.layers().list().len();
    let mut names: Vec<_> = store
        .list()
        .iter()
        .map(|image| image.tags[0].familiar())
        .collect();
    names.sort();
    assert_eq!(layers, if names.is_empty() { 0 } else { 3 });
    drop(store);
    let count = |name: &str| std::fs::read_dir(root.join(name)).unwrap().count();
    assert_eq!((count("staging"), count("layers")), (0, layers));
    names
}

#[test]
fn killed_at_any_instant() {
    let seed = std::env::var("GANTRY_SEED").map_or_else(
        |_| fastrand::u64(..),
        |seed| seed.parse().expect("GANTRY_SEED is a number"),
    );
    println!("GANTRY_SEED={seed} repeats this run");
    let mut random = fastrand::Rng::with_seed(seed);
    let temp = tempfile::tempdir().unwrap();
    let archive = archive(temp.path());
    let whole = Instant::now();
    let mut child = start(&temp.path().join("whole"), &archive, word(0));
    assert!(child.wait().unwrap().success());
    let whole = whole.elapsed();
    assert_eq!(inspect(&temp.path().join("whole")), ["one:1", "two:1"]);
    let mut outcomes = [0, 0];
    for number in 0..KILLS {
        let root = temp.path().join(number.to_string());
        let mut child = start(&root, &archive, word(number));
        let after = whole.mul_f64(random.f64() * 1.1);
        std::thread::sleep(after.max(Duration::from_micros(500)));
        child.kill().unwrap();
        child.wait().unwrap();
        let names = inspect(&root);
        assert!(
            names.is_empty() || names == ["one:1", "two:1"],
            "seed {seed}: {names:?}"
        );
        outcomes[usize::from(!names.is_empty())] += 1;
        if number % 5 < 2 {
            // What was left can be worked with.
            let mut child = start(&root, &archive, word(number));
            assert!(child.wait().unwrap().success());
            assert_eq!(inspect(&root), ["one:1", "two:1"]);
        }
    }
    assert!(outcomes[0] > 0, "seed {seed}: no load was caught under way");
}
