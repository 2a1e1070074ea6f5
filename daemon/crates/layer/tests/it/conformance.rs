//! What every adapter of the port must do. An adapter runs [`suite`] with a function that opens it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use flate2::write::GzEncoder;
use gantry_ids::Digest;
use gantry_layer::{ChainId, DiffId, Form, LayerError, LayerStore, Limits, Staged};

use crate::layer_tar::{LayerTar, Slowly};
use crate::stores::store;

#[test]
fn directories() {
    suite(|root| store(root, Form::Directory, Limits::DEFAULT));
}

#[test]
fn erofs() {
    suite(|root| {
        let store = store(root, Form::Erofs, Limits::DEFAULT);
        assert_eq!(
            store.form(),
            Form::Erofs,
            "this kernel mounts no EROFS files"
        );
        store
    });
}

/// Runs every requirement on stores that `open` opens.
fn suite<S: LayerStore>(open: impl Fn(&Path) -> S) {
    let requirements: [fn(&S); 7] = [
        layers_are_named_by_their_content,
        every_compression_is_the_same_layer,
        tars_come_back_byte_for_byte,
        staged_layers_are_not_seen,
        known_layers_are_taken_from_the_store,
        missing_layers_are_named,
        views_show_the_layers_merged,
    ];
    for requirement in requirements {
        let root = tempfile::tempdir().unwrap();
        requirement(&open(root.path()));
    }
    let root = tempfile::tempdir().unwrap();
    layers_are_there_after_reopening(|| open(root.path()));
    let root = tempfile::tempdir().unwrap();
    removed_layers_are_gone(|| open(root.path()));
}

fn base() -> Vec<u8> {
    LayerTar::new()
        .dir("etc/")
        .file("etc/a", "one")
        .file("etc/b", "two")
        .dir("opt/")
        .finish()
}

fn upper() -> Vec<u8> {
    LayerTar::new()
        .dir("etc/")
        .file("etc/.wh.a", "")
        .file("etc/c", "three")
        .file("opt/.wh..wh..opq", "")
        .finish()
}

fn put<S: LayerStore>(store: &S, tars: &[&[u8]]) -> ChainId {
    let staged = tars
        .iter()
        .map(|tar| store.stage(&mut Slowly(tar)).unwrap())
        .collect();
    store.commit(staged, None).unwrap().last().unwrap().chain
}

fn layers_are_named_by_their_content<S: LayerStore>(store: &S) {
    let (base, upper) = (base(), upper());
    let chain = put(store, &[&base, &upper]);
    let diffs = [
        DiffId::new(Digest::of(&base)),
        DiffId::new(Digest::of(&upper)),
    ];
    assert_eq!(Some(chain), ChainId::of(&diffs));
    let layer = store.get(&chain).unwrap();
    assert_eq!(layer.diff_id, diffs[1]);
    assert_eq!(layer.parent, ChainId::of(&diffs[..1]));
    assert_eq!(layer.content_bytes, 5);
    assert_eq!(layer.tar_bytes, upper.len() as u64);
    assert_eq!(store.list().len(), 2);
}

fn every_compression_is_the_same_layer<S: LayerStore>(store: &S) {
    let tar = base();
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let sources = [
        tar.clone(),
        gzip.finish().unwrap(),
        zstd::encode_all(&*tar, 1).unwrap(),
    ];
    for source in sources {
        let staged = store.stage(&mut &*source).unwrap();
        assert_eq!(staged.diff_id(), DiffId::new(Digest::of(&tar)));
    }
}

fn tars_come_back_byte_for_byte<S: LayerStore>(store: &S) {
    for tar in [base(), upper(), LayerTar::new().finish(), Vec::new()] {
        let chain = put(store, &[&tar]);
        let mut out = Vec::new();
        store.write_tar(&chain, &mut out).unwrap();
        assert!(out == tar);
    }
}

fn staged_layers_are_not_seen<S: LayerStore>(store: &S) {
    let staged = store.stage(&mut &*base()).unwrap();
    assert!(store.list().is_empty());
    drop(staged);
    assert!(store.list().is_empty());
}

fn known_layers_are_taken_from_the_store<S: LayerStore>(store: &S) {
    let first = put(store, &[&base(), &upper()]);
    let again = put(store, &[&base(), &upper()]);
    assert_eq!(first, again);
    assert_eq!(store.list().len(), 2);
    // The same layer on top of another is another chain.
    assert_ne!(put(store, &[&upper()]), first);
    assert_eq!(store.list().len(), 3);
}

fn missing_layers_are_named<S: LayerStore>(store: &S) {
    let nobody = ChainId::new(Digest::of(b"nobody"));
    let missing = |error: LayerError| matches!(error, LayerError::NoSuchLayer(id) if id == nobody);
    assert!(store.get(&nobody).is_none());
    assert!(missing(store.remove(&nobody).unwrap_err()));
    assert!(missing(store.directories(Some(&nobody)).unwrap_err()));
    assert!(missing(store.mounted(Some(&nobody)).unwrap_err()));
    assert!(missing(store.view(Some(&nobody)).unwrap_err()));
    assert!(missing(
        store.write_tar(&nobody, &mut Vec::new()).unwrap_err()
    ));
    let staged = store.stage(&mut &*base()).unwrap();
    assert!(missing(
        store.commit(vec![staged], Some(&nobody)).unwrap_err()
    ));
    let rw = tempfile::tempdir().unwrap();
    assert!(missing(store.rootfs(Some(&nobody), rw.path()).unwrap_err()));
}

fn views_show_the_layers_merged<S: LayerStore>(store: &S) {
    let chain = put(store, &[&base(), &upper()]);
    let view = store.view(Some(&chain)).unwrap();
    assert_eq!(read(&view, "etc/c").as_deref(), Some("three"));
    assert_eq!(read(&view, "etc/b").as_deref(), Some("two"));
    assert_eq!(read(&view, "etc/a"), None);
    let one = put(store, &[&base()]);
    assert_eq!(
        read(&store.view(Some(&one)).unwrap(), "etc/a").as_deref(),
        Some("one")
    );
    assert_eq!(read(&store.view(None).unwrap(), "etc/a"), None);
}

fn layers_are_there_after_reopening<S: LayerStore>(open: impl Fn() -> S) {
    let store = open();
    let chain = put(&store, &[&base(), &upper()]);
    let before = store.get(&chain).unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.get(&chain).unwrap(), before);
    let mut out = Vec::new();
    store.write_tar(&chain, &mut out).unwrap();
    assert!(out == upper());
}

fn removed_layers_are_gone<S: LayerStore>(open: impl Fn() -> S) {
    let store = open();
    let chain = put(&store, &[&base()]);
    store.remove(&chain).unwrap();
    assert!(store.get(&chain).is_none());
    drop(store);
    assert!(open().list().is_empty());
}

fn read(view: &OwnedFd, path: &str) -> Option<String> {
    use rustix::fs::{Mode, OFlags, openat};
    let file = openat(view, path, OFlags::RDONLY, Mode::empty()).ok()?;
    let mut text = String::new();
    File::from(file).read_to_string(&mut text).unwrap();
    Some(text)
}
