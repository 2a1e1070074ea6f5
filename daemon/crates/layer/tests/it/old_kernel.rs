//! A data root whose layers are files comes to a kernel that cannot mount them.

use std::os::fd::AsRawFd;
use std::path::PathBuf;

use gantry_layer::{ChainId, Form, LayerStore, Layers, Limits};

use crate::layer_tar::LayerTar;
use crate::stores::{on_old_kernel, store};
use crate::tree::describe;

/// Layers with all that a layer above can do to those beneath: the last mentions none of its directories.
fn tars() -> [Vec<u8>; 4] {
    [
        LayerTar::new()
            .dir("hidden/")
            .dir("d/")
            .file("d/f", "0")
            .finish(),
        LayerTar::new()
            .file(".wh..wh..opq", "")
            .dir("implied/")
            .dir("implied/x/")
            .file("implied/x/y", "1")
            .dir("d/")
            .file("d/a", "2")
            .finish(),
        LayerTar::new()
            .dir("d/")
            .file("d/.wh.a", "")
            .file("d/large", &"content ".repeat(10_000))
            .symlink("d/link", "large")
            .hard_link("d/again", "d/large")
            .finish(),
        LayerTar::new().file("implied/x/z", "3").finish(),
    ]
}

/// Stores them all, each on top of the one before it.
fn put(layers: &Layers) -> Vec<ChainId> {
    let tars = tars();
    let staged = tars.iter().map(|tar| layers.stage(&mut &**tar).unwrap());
    let layers = layers.commit(staged.collect(), None).unwrap();
    layers.iter().map(|layer| layer.chain).collect()
}

fn shown(layers: &Layers, chain: &ChainId) -> Vec<String> {
    let view = layers.view(Some(chain)).unwrap();
    let place = PathBuf::from(format!("/proc/self/fd/{}", view.as_raw_fd()));
    let mut lines = describe(&place.join("."));
    // No tar says what the root is: its time is that of the store.
    lines.retain(|line| !line.starts_with(". "));
    lines
}

#[test]
fn new_layers_are_directories() {
    let root = tempfile::tempdir().unwrap();
    let layers = on_old_kernel(root.path(), Form::Erofs);
    assert_eq!(layers.form(), Form::Directory);
    for chain in put(&layers) {
        assert_eq!(layers.get(&chain).unwrap().form, Form::Directory);
    }
}

#[test]
fn layers_that_are_files_become_directories_when_they_are_used() {
    let root = tempfile::tempdir().unwrap();
    let layers = store(root.path(), Form::Erofs, Limits::DEFAULT);
    let chains = put(&layers);
    let [.., top] = chains[..] else {
        panic!("four layers")
    };
    assert_eq!(layers.get(&top).unwrap().form, Form::Erofs);
    let before = shown(&layers, &top);
    drop(layers);
    let layers = on_old_kernel(root.path(), Form::Erofs);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(shown(&layers, &top), before));
        }
    });
    for (chain, tar) in chains.iter().zip(tars()) {
        assert_eq!(layers.get(chain).unwrap().form, Form::Directory);
        assert_eq!(layers.check(chain).unwrap(), None);
        let mut again = Vec::new();
        layers.write_tar(chain, &mut again).unwrap();
        assert!(again == tar);
    }
    drop(layers);
    let layers = store(root.path(), Form::Erofs, Limits::DEFAULT);
    assert_eq!(layers.list().len(), chains.len());
    assert_eq!(shown(&layers, &top), before);
}

#[test]
fn a_new_layer_on_layers_that_are_files_has_what_they_give_it() {
    let root = tempfile::tempdir().unwrap();
    let layers = store(root.path(), Form::Erofs, Limits::DEFAULT);
    let below = LayerTar::new().dir("d/").file("d/f", "1").finish();
    let staged = layers.stage(&mut &*below).unwrap();
    let below = layers.commit(vec![staged], None).unwrap()[0].chain;
    drop(layers);
    let layers = on_old_kernel(root.path(), Form::Erofs);
    let above = LayerTar::new().file("d/g", "2").finish();
    let staged = layers.stage(&mut &*above).unwrap();
    let above = layers.commit(vec![staged], Some(&below)).unwrap()[0].chain;
    assert_eq!(layers.get(&below).unwrap().form, Form::Directory);
    let names = shown(&layers, &above);
    let has = |name: &str| names.iter().any(|line| line.starts_with(name));
    assert!(has("d/f") && has("d/g"), "{names:?}");
}
