//! Random layers: the same files as GNU tar makes of them, and the same tar again afterwards.

use std::path::Path;
use std::process::Command;

use gantry_layer::{Form, LayerStore, Layers, Limits};
use proptest::prelude::*;
use tar::EntryType;

use crate::layer_tar::{LayerTar, header};
use crate::tree::describe;

#[derive(Debug, Clone)]
struct Made {
    kind: u8,
    path: String,
    mode: u32,
    uid: u64,
    mtime: u64,
    size: usize,
}

fn entries() -> impl Strategy<Value = Vec<Made>> {
    let path = "[abc]{1,2}(/[abc]{1,2}){0,2}";
    let one = (
        0..4_u8,
        path,
        0..0o7777_u32,
        0..3_u64,
        0..2_000_000_000_u64,
        0..1500_usize,
    )
        .prop_map(|(kind, path, mode, uid, mtime, size)| Made {
            kind,
            path,
            mode,
            uid,
            mtime,
            size,
        });
    proptest::collection::vec(one, 0..40)
}

/// Builds a tar in which every directory comes before what lies in it and no name comes twice, so
/// that GNU tar and a layer mean the same by it.
fn plain(entries: &[Made]) -> Vec<u8> {
    let mut tar = LayerTar::new();
    let mut known = std::collections::BTreeMap::new();
    for made in entries {
        let mut parents: Vec<&str> = made
            .path
            .match_indices('/')
            .map(|(at, _)| &made.path[..at])
            .collect();
        if known.contains_key(&made.path)
            || parents
                .iter()
                .any(|parent| known.get(*parent).is_some_and(|kind| *kind != 1))
        {
            continue;
        }
        parents.retain(|parent| !known.contains_key(*parent));
        for parent in parents {
            known.insert(parent.to_owned(), 1);
            tar = tar.dir(&format!("{parent}/"));
        }
        tar = push(tar, made);
        known.insert(made.path.clone(), made.kind);
    }
    tar.finish()
}

fn push(tar: LayerTar, made: &Made) -> LayerTar {
    let (kind, link) = match made.kind {
        0 => (EntryType::Regular, ""),
        1 => (EntryType::Directory, ""),
        2 => (EntryType::Symlink, "target"),
        _ => (EntryType::Fifo, ""),
    };
    let size = if made.kind == 0 { made.size } else { 0 };
    let data: Vec<u8> = made.path.bytes().cycle().take(size).collect();
    let mut header = header(kind, &made.path, link);
    header.set_mode(made.mode);
    header.set_uid(made.uid);
    header.set_gid(made.uid);
    header.set_mtime(made.mtime);
    header.set_size(data.len() as u64);
    header.set_cksum();
    tar.raw(&header, &data)
}

fn store(root: &Path) -> Layers {
    crate::stores::store(root, Form::Directory, Limits::DEFAULT)
}

/// Stores one layer and proves that its tar comes back; gives its directory.
fn put(store: &Layers, tar: &[u8]) -> std::path::PathBuf {
    let staged = store.stage(&mut &*tar).unwrap();
    let chain = store.commit(vec![staged], None).unwrap()[0].chain;
    let mut out = Vec::new();
    store.write_tar(&chain, &mut out).unwrap();
    assert!(out == tar, "the tar did not come back");
    store.directories(Some(&chain)).unwrap()[0].clone()
}

fn gnu_tar(arguments: &[&str], directory: &Path) {
    let status = Command::new("tar")
        .args(arguments)
        .arg("-C")
        .arg(directory)
        .status()
        .expect("GNU tar");
    assert!(status.success());
}

fn without_root(lines: Vec<String>) -> Vec<String> {
    lines
        .into_iter()
        .filter(|line| !line.starts_with(". |"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn plain_tars_are_what_gnu_tar_makes_of_them(entries in entries()) {
        let tar = plain(&entries);
        let temp = tempfile::tempdir().unwrap();
        let theirs = temp.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        let file = temp.path().join("layer.tar");
        std::fs::write(&file, &tar).unwrap();
        let flags = ["--extract", "--same-permissions",
            "--delay-directory-restore",
            "--warning=no-timestamp", "--numeric-owner", "--file"];
        gnu_tar(&[&flags[..], &[file.to_str().unwrap()]].concat(), &theirs);
        let ours = put(&store(&temp.path().join("store")), &tar);
        prop_assert_eq!(without_root(describe(&ours)), without_root(describe(&theirs)));
    }

    #[test]
    fn any_sequence_of_entries_comes_back(entries in entries()) {
        // Duplicates, files over directories and back: whatever is accepted must come back whole.
        let tar = entries.iter().fold(LayerTar::new(), push).finish();
        let temp = tempfile::tempdir().unwrap();
        let store = store(temp.path());
        if let Ok(staged) = store.stage(&mut &*tar) {
            let chain = store.commit(vec![staged], None).unwrap()[0].chain;
            let mut out = Vec::new();
            store.write_tar(&chain, &mut out).unwrap();
            prop_assert!(out == tar);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let temp = tempfile::tempdir().unwrap();
        let _ = store(temp.path()).stage(&mut &*bytes);
    }
}

/// GNU tar's own formats, with long names, hard links, odd times and attributes.
#[test]
fn every_format_of_gnu_tar() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    let long = format!("{}/{}", "directory".repeat(20), "file".repeat(40));
    std::fs::create_dir_all(source.join(&long).parent().unwrap()).unwrap();
    std::fs::write(source.join(&long), "long").unwrap();
    std::fs::write(source.join("plain"), vec![7; 100_000]).unwrap();
    std::fs::hard_link(source.join("plain"), source.join("zz-link")).unwrap();
    std::os::unix::fs::symlink("x".repeat(150), source.join("symlink")).unwrap();
    std::fs::write(source.join("empty"), "").unwrap();
    for format in ["gnu", "pax"] {
        let file = temp.path().join(format);
        let format = format!("--format={format}");
        let arguments = [
            "--create",
            "--sort=name",
            &format,
            "--file",
            file.to_str().unwrap(),
            ".",
        ];
        let status = Command::new("tar")
            .current_dir(&source)
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
        let tar = std::fs::read(&file).unwrap();
        let ours = put(&store(&temp.path().join(format!("store{format}"))), &tar);
        let (mut ours, mut theirs) = (describe(&ours), describe(&source));
        if format == "--format=gnu" {
            // Whole seconds only.
            for line in ours.iter_mut().chain(&mut theirs) {
                let at = line.find('.').filter(|at| *at > 2);
                let fraction = line.rfind(" links").unwrap();
                let dot = line[..fraction].rfind('.').or(at).unwrap();
                line.replace_range(dot..fraction, "");
            }
        }
        assert_eq!(ours, theirs);
    }
}
