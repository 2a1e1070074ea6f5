//! Layers that mean harm: a clear error that names the entry, nothing left, nothing outside touched.

use std::path::Path;

use gantry_layer::{Form, LayerStore, Limits};
use tar::EntryType;

use crate::layer_tar::{LayerTar, header};
use crate::stores::{FORMS, store};

/// Small limits, so that going over them is quick.
const LIMITS: Limits = Limits {
    entries: 1000,
    path_bytes: 4095,
    depth: 16,
    tar_bytes: 1 << 20,
    content_bytes: 1 << 19,
    segments: 50,
    extended_bytes: 1 << 16,
    directory_bytes: 16 << 10,
    tree_bytes: 1 << 20,
};

/// Stages a layer that must be refused in either form, with an error that says all of `words`.
#[track_caller]
fn assert_says(tar: &[u8], words: &[&str]) {
    for form in FORMS {
        let message = refused(form, LIMITS, tar);
        for word in words {
            assert!(message.contains(word), "{form:?}: {word:?}: {message}");
        }
    }
}

/// The error with its causes.
fn refused(form: Form, limits: Limits, tar: &[u8]) -> String {
    let root = tempfile::tempdir().unwrap();
    let store = store(&root.path().join("image"), form, limits);
    let error = store
        .stage(&mut &*tar)
        .expect_err("a hostile layer was taken");
    assert!(store.list().is_empty());
    drop(store);
    assert_empty(&root.path().join("image/staging"));
    assert_empty(&root.path().join("image/layers"));
    assert_eq!(
        std::fs::read_dir(root.path()).unwrap().count(),
        1,
        "something was made outside"
    );
    gantry_errors::chain(&error).to_string()
}

fn assert_empty(directory: &Path) {
    let left: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[track_caller]
fn assert_refused(tar: LayerTar, entry: &str, cause: &str) {
    assert_says(&tar.finish(), &[entry, cause]);
}

#[test]
fn paths_that_lead_out() {
    for path in ["../x", "a/../../x", "/../x", "..", "a/b/../../../x"] {
        assert_refused(LayerTar::new().file(path, "x"), path, "breaks out");
        assert_refused(LayerTar::new().dir(path), path, "breaks out");
    }
}

#[test]
fn links_that_lead_out() {
    let tar = LayerTar::new;
    assert_refused(
        tar().hard_link("h", "../../etc/passwd"),
        "\"h\"",
        "breaks out",
    );
    assert_refused(
        tar().hard_link("h", "/etc/passwd"),
        "\"h\"",
        "not in this layer",
    );
    // An absolute link is harmless by itself, and so is what is written through it.
    let through = tar().symlink("s", "/").hard_link("h", "s/etc/passwd");
    assert_refused(through, "\"h\"", "not in this layer");
}

#[test]
fn writing_through_links_stays_inside() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let above = format!("{}{target}", "../".repeat(20));
    for target in [target, &above] {
        let tar = LayerTar::new()
            .symlink("s", target)
            .file("s/planted", "x")
            .finish();
        for form in FORMS {
            let root = tempfile::tempdir().unwrap();
            let store = store(root.path(), form, LIMITS);
            // The link dangles inside the root: what lies beyond it on the host is never looked at.
            store
                .stage(&mut &*tar)
                .expect_err("written through a dangling link");
            assert_empty(outside.path());
        }
    }
}

/// As dockerd takes them: followed, they end at the root.
#[test]
fn links_above_the_root_are_kept() {
    let target = "../../../etc/passwd";
    let tar = LayerTar::new().symlink("s", target).finish();
    for form in FORMS {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path(), form, LIMITS);
        let staged = store.stage(&mut &*tar).expect("a link is only text");
        let layers = store.commit(vec![staged], None).unwrap();
        let view = store.view(Some(&layers[0].chain)).unwrap();
        let kept = rustix::fs::readlinkat(view, "s", Vec::new()).unwrap();
        assert_eq!(kept.to_bytes(), target.as_bytes());
    }
}

#[test]
fn links_that_turn_around_themselves() {
    let tar = LayerTar::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", "1");
    assert_refused(tar, "a/x", "make its directory");
    assert_refused(
        LayerTar::new().hard_link("h", "h"),
        "\"h\"",
        "not in this layer",
    );
}

#[test]
fn a_link_swapped_in_for_a_directory_is_not_followed_at_the_end() {
    // The directory's time is set last, when its name is a link to somewhere else.
    let outside = tempfile::tempdir().unwrap();
    let before = std::fs::metadata(outside.path())
        .unwrap()
        .modified()
        .unwrap();
    let up = outside.path().to_str().unwrap();
    let tar = LayerTar::new().dir("d/").symlink("d", up).finish();
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path(), Form::Directory, LIMITS);
    store.stage(&mut &*tar).unwrap();
    assert_eq!(
        std::fs::metadata(outside.path())
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[test]
fn too_much_of_everything() {
    let many = (0..1001).fold(LayerTar::new(), |tar, n| tar.file(&format!("f{n}"), ""));
    assert_refused(many, "f999", "number of entries is over the limit of 1000");
    let deep = "d/".repeat(17);
    assert_refused(
        LayerTar::new().dir(&deep),
        "d/d",
        "depth is over the limit of 16",
    );
    let long = vec![b'p'; 4096];
    let tar = LayerTar::new().pax(&[("path", &long)], |tar| tar.file("x", ""));
    assert_refused(tar, "", "path is over the limit of 4095");
    let big = "x".repeat(300_000);
    let tar = LayerTar::new().file("one", &big).file("two", &big);
    assert_refused(tar, "two", "size of all files is over the limit");
    let tar = LayerTar::new().entry(EntryType::XHeader, "x", "", &[b' '; 70_000]);
    assert_refused(tar, "", "extended header is over the limit");
    let mut tar = LayerTar::new();
    for n in 0..300 {
        tar = tar.dir(&format!("{}{n}/", "n".repeat(80)));
    }
    let tar = tar.finish();
    let message = refused(Form::Directory, LIMITS, &tar);
    assert!(message.contains("memory for directories is over the limit"));
    let limits = Limits {
        tree_bytes: 16 << 10,
        ..LIMITS
    };
    let message = refused(Form::Erofs, limits, &tar);
    assert!(message.contains("memory for the tree is over the limit"));
}

#[test]
fn absurd_sizes() {
    let mut header = header(EntryType::Regular, "huge", "");
    header.set_size(1 << 60);
    header.set_cksum();
    let tar = LayerTar::new().raw(&header, b"little").finish();
    assert_says(&tar, &["huge", "over the limit"]);
    let records: [(&str, &[u8]); 1] = [("size", b"99999999999999999999")];
    let tar = LayerTar::new()
        .file("before", "")
        .pax(&records, |tar| tar.file("x", ""));
    assert_refused(tar, "before", "bad size");
}

#[test]
fn a_bomb_of_zeros_after_the_end() {
    let mut tar = LayerTar::new().file("f", "x").finish();
    tar.resize(2 << 20, 0);
    let bomb = zstd::encode_all(&*tar, 1).unwrap();
    assert_says(&bomb, &["tar's size is over the limit"]);
}

#[test]
fn device_numbers_the_kernel_does_not_have() {
    let mut device = header(EntryType::Block, "disk", "");
    device.set_device_major(0o777_777).unwrap();
    device.set_device_minor(0).unwrap();
    device.set_cksum();
    assert_refused(
        LayerTar::new().raw(&device, b""),
        "disk",
        "device number is over the limit",
    );
}

#[test]
fn whiteouts_of_nothing() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh.."] {
        let refused_as = if name == ".wh.." || name == "a/.wh.." {
            "whiteout"
        } else {
            ""
        };
        let tar = LayerTar::new().file(name, "");
        assert_refused(tar, name, refused_as);
    }
}

#[test]
fn broken_tars() {
    let good = LayerTar::new()
        .file("first", "x")
        .file("second", "y".repeat(2000).as_str());
    let tar = good.unfinished();
    for end in [100, 512 + 100, 1024 + 100, 1024 + 512 + 700] {
        assert_says(&tar[..end], &["truncated"]);
    }
    let mut flipped = tar.clone();
    flipped[1024 + 3] ^= 1;
    assert_says(&flipped, &["first", "invalid tar header"]);
    assert_says(&[7; 1024], &["invalid tar header"]);
    assert_refused(
        LayerTar::new().entry(EntryType::new(b'Z'), "z", "", b""),
        "",
        "type 'Z'",
    );
    assert_refused(LayerTar::new().file("", "x"), "", "bad path");
}

#[test]
fn an_owner_that_means_nobody() {
    let records: [(&str, &[u8]); 1] = [("uid", b"4294967295")];
    assert_refused(
        LayerTar::new().pax(&records, |tar| tar.file("f", "")),
        "",
        "bad uid",
    );
}

#[test]
fn very_many_entries_are_taken_in_bounded_memory() {
    // Alone in a process: what other tests take would count.
    const ALONE: &str = "GANTRY_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let test = "hostile::very_many_entries_are_taken_in_bounded_memory";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(ALONE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    // One whiteout again and again, so that the file system's part stays small. Hashing half a
    // gigabyte takes an unoptimised build half a minute: there a fifth of it must do.
    let left = if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    };
    for form in FORMS {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path(), form, Limits::DEFAULT);
        let mut tar = Repeated {
            left: left / 2,
            block: Vec::new(),
            used: 0,
        };
        let staged = store.stage(&mut tar).unwrap();
        drop(staged);
    }
    let peak = peak_kib();
    assert!(peak < 64 << 10, "peak resident memory was {peak} KiB");
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The same whiteout, many times, made while it is read.
struct Repeated {
    left: u64,
    block: Vec<u8>,
    used: usize,
}

impl std::io::Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.used == self.block.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            self.used = 0;
            if self.block.is_empty() {
                self.block = LayerTar::new().file("f/.wh.x", "").unfinished();
            }
        }
        let len = buffer.len().min(self.block.len() - self.used);
        buffer[..len].copy_from_slice(&self.block[self.used..self.used + len]);
        self.used += len;
        Ok(len)
    }
}
