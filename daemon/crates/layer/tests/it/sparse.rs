//! Sparse entries: holes on the disk, the same bytes to whoever reads, the same tar again.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_layer::{ChainId, Form, LayerStore, Layers, Limits};
use tar::{EntryType, Header};

use crate::layer_tar::{LayerTar, header};
use crate::stores::{FORMS, store};

/// GNU tar's names for its formats.
const FORMATS: [&[&str]; 4] = [
    &["--format=gnu"],
    &["--format=posix", "--sparse-version=0.0"],
    &["--format=posix", "--sparse-version=0.1"],
    &["--format=posix", "--sparse-version=1.0"],
];
const MIB: u64 = 1 << 20;

/// A file of this size with these pieces of content.
fn make(path: &Path, size: u64, pieces: &[(u64, usize)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (offset, len) in pieces {
        let byte = u8::try_from(offset % 251 + 1).unwrap();
        file.write_all_at(&vec![byte; *len], *offset).unwrap();
    }
}

/// Files with holes of every kind: at the beginning, the end, everywhere, more than one header names.
fn sources(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let many: Vec<(u64, usize)> = (0..60).map(|n| (n * 65536, 4096)).collect();
    make(&directory.join("begin"), 3 * MIB + 100, &[(3 * MIB, 100)]);
    make(&directory.join("end"), 2 * MIB, &[(0, 5000)]);
    make(&directory.join("hole"), MIB, &[]);
    make(&directory.join("many"), 5 * MIB + 7, &many);
    make(&directory.join("plain"), 3000, &[(0, 3000)]);
}

fn gnu_tar(format: &[&str], source: &Path, to: &Path) -> Vec<u8> {
    let status = Command::new("tar")
        .args(["--create", "--sparse", "--sort=name", "--mtime=@1500000000"])
        .args(format)
        .arg("--file")
        .arg(to)
        .arg("--directory")
        .arg(source)
        .arg(".")
        .status()
        .expect("GNU tar");
    assert!(status.success());
    fs::read(to).unwrap()
}

/// Stores one layer, proves that its tar comes back and that nothing is wrong with it.
fn put(layers: &Layers, tar: &[u8]) -> ChainId {
    let staged = layers.stage(&mut &*tar).unwrap();
    let chain = layers.commit(vec![staged], None).unwrap()[0].chain;
    let mut out = Vec::new();
    layers.write_tar(&chain, &mut out).unwrap();
    assert!(out == tar, "the tar did not come back");
    assert_eq!(layers.check(&chain).unwrap(), None);
    chain
}

fn place(layers: &Layers, chain: &ChainId) -> PathBuf {
    layers.directories(Some(chain)).unwrap().remove(0)
}

#[test]
fn every_format_of_gnu_tar() {
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    sources(&source);
    for (number, format) in FORMATS.iter().enumerate() {
        let tar = gnu_tar(format, &source, &temp.path().join("layer.tar"));
        assert!(tar.len() < 800_000, "the tar has no holes: {}", tar.len());
        for form in FORMS {
            let root = temp.path().join(format!("{number}{form:?}"));
            let layers = store(&root, form, Limits::DEFAULT);
            let chain = put(&layers, &tar);
            let layer = layers.get(&chain).unwrap();
            assert_eq!(layer.form, form);
            assert_eq!(layer.content_bytes, 11 * MIB + 107 + 3000);
            let lowers = layers.mounted(Some(&chain)).unwrap();
            for name in ["begin", "end", "hole", "many", "plain"] {
                let (ours, theirs) = (lowers.paths[0].join(name), source.join(name));
                let same = fs::read(&ours).unwrap() == fs::read(theirs).unwrap();
                assert!(same, "{format:?} {form:?} {name}");
                if form == Form::Directory && name != "plain" {
                    let meta = fs::metadata(&ours).unwrap();
                    assert!(meta.blocks() * 512 < meta.len() / 2, "{name} has no holes");
                }
            }
            if form == Form::Erofs {
                crate::erofs::checked(&place(&layers, &chain));
            }
        }
    }
}

/// A file whose map stands in PAX records.
fn mapped(name: &str, map: &str, size: u64, content: &[u8]) -> LayerTar {
    let size = size.to_string();
    let records: [(&str, &[u8]); 3] = [
        ("GNU.sparse.name", name.as_bytes()),
        ("GNU.sparse.map", map.as_bytes()),
        ("GNU.sparse.size", size.as_bytes()),
    ];
    let entry = |tar: LayerTar| tar.entry(EntryType::Regular, "placeholder", "", content);
    LayerTar::new().pax(&records, entry)
}

/// An index can only name blocks: such a layer becomes a directory.
#[test]
fn holes_that_do_not_lie_at_blocks() {
    for form in FORMS {
        let temp = tempfile::tempdir().unwrap();
        let layers = store(temp.path(), form, Limits::DEFAULT);
        let chain = put(
            &layers,
            &mapped("f", "10,3,700,4", 5000, b"abcdefg").finish(),
        );
        assert_eq!(layers.get(&chain).unwrap().form, Form::Directory);
        let directory = place(&layers, &chain);
        let mut expected = vec![0; 5000];
        expected[10..13].copy_from_slice(b"abc");
        expected[700..704].copy_from_slice(b"defg");
        assert!(fs::read(directory.join("f")).unwrap() == expected);
        assert!(!directory.join("placeholder").exists());
        let mut left: Vec<_> = fs::read_dir(directory.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["fs", "layer.json", "recipe"]);
    }
}

/// An index has a place for each chunk: a large file of small chunks would be all index.
#[test]
fn a_large_file_with_very_many_chunks() {
    for form in FORMS {
        let temp = tempfile::tempdir().unwrap();
        let layers = store(temp.path(), form, Limits::DEFAULT);
        let tar = mapped("f", "512,512", 1 << 38, &[7; 512]).finish();
        let chain = put(&layers, &tar);
        assert_eq!(layers.get(&chain).unwrap().form, Form::Directory);
        assert!(layers.disk_bytes(&chain) < 100_000);
    }
}

#[test]
fn a_sparse_file_that_is_replaced() {
    for form in FORMS {
        let temp = tempfile::tempdir().unwrap();
        let layers = store(temp.path(), form, Limits::DEFAULT);
        let first = mapped("f", "0,512,1024,512", 9000, &[1; 1024]).unfinished();
        let second = mapped("f", "4096,904", 5000, &[2; 904]).finish();
        let chain = put(&layers, &[first, second].concat());
        let lowers = layers.mounted(Some(&chain)).unwrap();
        let content = fs::read(lowers.paths[0].join("f")).unwrap();
        assert!(content == [vec![0; 4096], vec![2; 904]].concat());
    }
}

/// The tar does not say what lies in a hole, so its digest alone would not tell.
#[test]
fn content_in_a_hole_is_damage() {
    let temp = tempfile::tempdir().unwrap();
    let layers = store(temp.path(), Form::Directory, Limits::DEFAULT);
    let chain = put(&layers, &mapped("f", "4096,4", 1 << 20, b"data").finish());
    let file = File::options()
        .write(true)
        .open(place(&layers, &chain).join("f"))
        .unwrap();
    for place in [100, 4101, 90_000] {
        file.write_all_at(b"x", place).unwrap();
        let fault = format!("{:?}", layers.check(&chain).unwrap());
        assert!(fault.contains("where the layer has a hole"), "{fault}");
        file.write_all_at(b"\0", place).unwrap();
        layers.write_tar(&chain, &mut std::io::sink()).unwrap();
    }
}

/// The old format's header, as its fields say.
fn old(pairs: &[(u64, u64)], goes_on: bool, size: u64, stored: u64) -> Header {
    let mut header = header(EntryType::GNUSparse, "s", "");
    header.as_mut_bytes()[257..265].copy_from_slice(b"ustar  \0");
    let bytes = header.as_mut_bytes();
    for (number, (offset, len)) in pairs.iter().enumerate() {
        let at = 386 + 24 * number;
        bytes[at..at + 11].copy_from_slice(format!("{offset:011o}").as_bytes());
        bytes[at + 12..at + 23].copy_from_slice(format!("{len:011o}").as_bytes());
    }
    bytes[482] = goes_on.into();
    bytes[483..494].copy_from_slice(format!("{size:011o}").as_bytes());
    header.set_size(stored);
    header.set_cksum();
    header
}

#[test]
fn hostile_maps_are_refused() {
    let in_content = |text: &[u8], size: &[u8]| {
        let records: [(&str, &[u8]); 3] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", size),
        ];
        let entry = |tar: LayerTar| tar.entry(EntryType::Regular, "s", "", text);
        LayerTar::new().pax(&records, entry)
    };
    let on_directory: [(&str, &[u8]); 2] = [("GNU.sparse.map", b"0,0"), ("GNU.sparse.size", b"9")];
    let endless = vec![b'1'; 600];
    let mut many = b"300000\n".to_vec();
    many.resize(1024, b'0');
    let cases = [
        (mapped("s", "0,4,2,4", 9, b"12345678"), "overlap"),
        (mapped("s", "4,4,0,4", 9, b"12345678"), "overlap"),
        (mapped("s", "6,4", 9, b"1234"), "beyond its end"),
        (
            mapped("s", "18446744073709551615,4", 9, b"1234"),
            "beyond its end",
        ),
        (mapped("s", "0,4", 9, b"12345678"), "not what follows"),
        (mapped("s", "0,4,x", 9, b"1234"), "bad number"),
        (mapped("s", "0,4,5", 9, b"1234"), "not in pairs"),
        (mapped("s", "0,4", 1 << 62, b"1234"), "over the limit"),
        (
            LayerTar::new().pax(&on_directory, |tar| tar.dir("d/")),
            "no file",
        ),
        (in_content(&endless, b"9"), "bad number"),
        (in_content(&many, b"9"), "over the limit"),
        (in_content(b"1\n", b"9"), "cut off"),
        (
            LayerTar::new().raw(&old(&[(0, 4)], false, 2, 4), b"1234"),
            "beyond its end",
        ),
        (
            LayerTar::new().raw(&old(&[(0, 4)], true, 9, 4), &[b'9'; 512]),
            "bad number",
        ),
        (
            LayerTar::new().entry(EntryType::GNUSparse, "s", "", b""),
            "not GNU tar's",
        ),
    ];
    for (tar, says) in cases {
        let tar = tar.finish();
        for form in FORMS {
            let temp = tempfile::tempdir().unwrap();
            let layers = store(temp.path(), form, Limits::DEFAULT);
            let error = layers.stage(&mut &*tar).unwrap_err();
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            assert!(text.contains(says), "{says}: {text}");
        }
    }
}

/// Blocks of the old map that never end are read up to the limit and no further.
#[test]
fn an_old_map_without_end() {
    struct Endless(Vec<u8>, usize);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.1 == self.0.len() {
                let mut block = [0; 512];
                for pair in block.chunks_exact_mut(12).take(42) {
                    pair[0] = b'0';
                }
                block[504] = 1;
                *self = Self(block.to_vec(), 0);
            }
            let len = buffer.len().min(self.0.len() - self.1);
            buffer[..len].copy_from_slice(&self.0[self.1..self.1 + len]);
            self.1 += len;
            Ok(len)
        }
    }
    for form in FORMS {
        let temp = tempfile::tempdir().unwrap();
        let layers = store(temp.path(), form, Limits::DEFAULT);
        let header = old(&[(0, 0); 4], true, 9, 0).as_bytes().to_vec();
        let error = layers.stage(&mut Endless(header, 0)).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        let told = format!("{error}: {source}: {error:?}");
        assert!(told.contains("segments"), "{told}");
    }
}
