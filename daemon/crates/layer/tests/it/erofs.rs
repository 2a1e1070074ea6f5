//! Layers that are files show what layers that are directories show, and others can read them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::layer_tar::{LayerTar, header};
use crate::stores::store;
use crate::tree::describe;
use gantry_layer::{ChainId, Form, LayerStore, Layers, Limits};
use proptest::prelude::*;
use tar::EntryType;

/// What entries say their time is, all before this one; what is later is the time of the test.
const TIMES_END: u64 = 1_500_000_000;

#[derive(Debug, Clone)]
struct Made {
    kind: u8,
    path: String,
    link: String,
    mode: u32,
    uid: u64,
    mtime: u64,
    size: usize,
    xattr: Option<(u8, usize)>,
}

fn entries() -> impl Strategy<Value = Vec<Made>> {
    let path = || "([ab]|\\.wh\\.[ab]|\\.wh\\.\\.wh\\.\\.opq|[abc]{1,3}|-x)(/[abc]{1,2}|/\\.wh\\.[ab]|/x{90}){0,3}";
    let link = "/?[abc]{1,2}(/[abc]{1,2}){0,2}|[ab]/x{90}|x{420}";
    let one = (
        (0..8_u8, path(), link, 0..0o7777_u32, 0..70_000_u64),
        (
            0..TIMES_END,
            0..3000_usize,
            proptest::option::of((0..5_u8, 0..300_usize)),
        ),
    )
        .prop_map(
            |((kind, path, link, mode, uid), (mtime, size, xattr))| Made {
                kind,
                path,
                link,
                mode,
                uid,
                mtime,
                size,
                xattr,
            },
        );
    proptest::collection::vec(one, 0..24)
}

fn push(tar: LayerTar, made: &Made) -> LayerTar {
    let (kind, link) = match made.kind {
        0 | 1 => (EntryType::Regular, ""),
        2 | 3 => (EntryType::Directory, ""),
        4 => (EntryType::Symlink, "l"),
        5 => (EntryType::Link, "l"),
        6 => (EntryType::Char, ""),
        _ => (EntryType::Fifo, ""),
    };
    let is_file = kind == EntryType::Regular;
    let data: Vec<u8> = made
        .path
        .bytes()
        .cycle()
        .take(if is_file { made.size } else { 0 })
        .collect();
    let mut header = header(kind, "name", link);
    header.set_mode(made.mode);
    header.set_uid(made.uid);
    header.set_gid(made.uid / 2);
    header.set_mtime(made.mtime);
    header.set_size(data.len() as u64);
    header.set_device_major(made.mode & 0xff).unwrap();
    header.set_device_minor(made.mode * 7).unwrap();
    header.set_cksum();
    let value = vec![b'v'; made.xattr.map_or(0, |(_, len)| len)];
    let name = match made.xattr {
        Some((0, _)) => "SCHILY.xattr.user.note",
        Some((1, _)) => "SCHILY.xattr.trusted.t",
        Some((2, _)) => "SCHILY.xattr.security.other",
        Some((3, _)) => "SCHILY.xattr.trusted.overlay.metacopy",
        _ => "comment",
    };
    let records: [(&str, &[u8]); 3] = [
        ("path", made.path.as_bytes()),
        ("linkpath", made.link.as_bytes()),
        (name, &value),
    ];
    tar.pax(&records, |tar| tar.raw(&header, &data))
}

/// A tree with everything that a container can see of it. Names of the same file are told apart from
/// files that are equal; times of what no entry describes are left out.
fn all_of(root: &Path) -> Vec<String> {
    let mut first_names = BTreeMap::new();
    let lines = describe(root).into_iter();
    let mut told = Vec::new();
    for line in lines {
        let name = line.split_once(" | ").unwrap().0;
        let path: PathBuf = root.join(unescape(name));
        let meta = fs::symlink_metadata(&path).unwrap();
        let first = first_names
            .entry(meta.ino())
            .or_insert_with(|| name.to_owned());
        let late = meta.mtime() >= i64::try_from(TIMES_END).unwrap();
        let (before, after) = line.split_once(" links ").unwrap();
        let before = if late {
            before.rsplit_once(' ').unwrap().0
        } else {
            before
        };
        let after = after.split_once(' ').unwrap().1;
        told.push(format!(
            "{before} {after} is {first} {:?}",
            attributes(&path)
        ));
    }
    told
}

fn unescape(name: &str) -> &str {
    assert!(
        !name.contains('\\'),
        "a name that is told with escapes: {name}"
    );
    name
}

fn attributes(path: &Path) -> Vec<(String, usize)> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..len]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let mut all: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 4096];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (String::from_utf8(name.to_vec()).unwrap(), len)
        })
        .collect();
    all.sort();
    all
}

/// Stores tars on top of each other; none if one is refused.
fn put(layers: &Layers, tars: &[Vec<u8>]) -> Option<Vec<ChainId>> {
    let staged: Result<Vec<_>, _> = tars.iter().map(|tar| layers.stage(&mut &**tar)).collect();
    let committed = layers.commit(staged.ok()?, None).unwrap();
    Some(committed.iter().map(|layer| layer.chain).collect())
}

/// The tar of those entries that can follow the ones before them.
fn sound(layers: &Layers, entries: &[Made]) -> Vec<u8> {
    let mut kept: Vec<&Made> = Vec::new();
    let tar = |made: &[&Made]| made.iter().fold(LayerTar::new(), |tar, one| push(tar, one));
    for one in entries {
        kept.push(one);
        if layers.stage(&mut &*tar(&kept).finish()).is_err() {
            kept.pop();
        }
    }
    tar(&kept).finish()
}

fn peer(name: &str) -> PathBuf {
    let peers = std::env::var_os("GANTRY_PEERS")
        .expect("GANTRY_PEERS names the stock programs: run `cargo xtask test`");
    Path::new(&peers).join("bin").join(name)
}

/// What erofs-utils say of a layer's files.
pub(crate) fn checked(directory: &Path) -> String {
    let mut device = std::ffi::OsString::from("--device=");
    device.push(directory.join("tar"));
    let out = Command::new(peer("fsck.erofs"))
        .arg(device)
        .arg("-d9")
        .arg(directory.join("index"))
        .output()
        .unwrap();
    let text = [out.stdout, out.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(out.status.success(), "{text}");
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn both_forms_show_the_same(below in entries(), above in entries()) {
        let temp = tempfile::tempdir().unwrap();
        let unpacked = store(&temp.path().join("d"), Form::Directory, Limits::DEFAULT);
        let files = store(&temp.path().join("e"), Form::Erofs, Limits::DEFAULT);
        for made in [&below, &above] {
            let tar = made.iter().fold(LayerTar::new(), push).finish();
            let (ours, theirs) = (files.stage(&mut &*tar), unpacked.stage(&mut &*tar));
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours.err(), theirs.err());
        }
        let tars = [sound(&files, &below), sound(&files, &above)];
        let (ours, theirs) = (put(&files, &tars), put(&unpacked, &tars));
        prop_assert_eq!(&ours, &theirs);
        prop_assert!(ours.is_some());
        for chain in ours.iter().flatten() {
            let (ours, theirs) = (files.mounted(Some(chain)).unwrap(), unpacked.mounted(Some(chain)).unwrap());
            prop_assert_eq!(ours.paths.len(), theirs.paths.len());
            prop_assert_eq!(all_of(&ours.paths[0]), all_of(&theirs.paths[0]));
            checked(&files.directories(Some(chain)).unwrap()[0]);
        }
    }
}

#[test]
fn layers_of_both_forms_lie_beneath_one_container() {
    let temp = tempfile::tempdir().unwrap();
    let tars = [
        LayerTar::new()
            .dir("d/")
            .file("d/a", "1")
            .file("d/b", "2")
            .finish(),
        LayerTar::new()
            .file("d/.wh.a", "")
            .file("d/c", "3")
            .finish(),
        LayerTar::new()
            .dir("d/")
            .file("d/b", "4")
            .file("e/f", "5")
            .finish(),
    ];
    let mut parent = None;
    let mut last = None;
    for (tar, form) in tars
        .iter()
        .zip([Form::Directory, Form::Erofs, Form::Directory])
    {
        let layers = store(temp.path(), form, Limits::DEFAULT);
        let staged = layers.stage(&mut &**tar).unwrap();
        let layer = layers
            .commit(vec![staged], parent.as_ref())
            .unwrap()
            .remove(0);
        assert_eq!(layer.form, form);
        parent = Some(layer.chain);
        last = Some(layers);
    }
    let layers = last.unwrap();
    let rw = temp.path().join("rw");
    let rootfs = layers.rootfs(parent.as_ref(), &rw).unwrap();
    let on = temp.path().join("on");
    fs::create_dir(&on).unwrap();
    let options = std::ffi::CString::new(rootfs.mounts[0].options.join(",")).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("overlay", &on, "overlay", flags, &*options).unwrap();
    let text = |name: &str| fs::read_to_string(on.join(name)).ok();
    let seen = ["d/a", "d/b", "d/c", "e/f"].map(text);
    // The overlay keeps its layers when they are not mounted any more.
    drop(rootfs);
    layers.close();
    let again = ["d/a", "d/b", "d/c", "e/f"].map(text);
    rustix::mount::unmount(&on, rustix::mount::UnmountFlags::empty()).unwrap();
    let expected = [
        None,
        Some("4".to_owned()),
        Some("3".to_owned()),
        Some("5".to_owned()),
    ];
    assert_eq!(seen, expected);
    assert_eq!(again, expected);
    assert!(!mounted_beneath(temp.path()));
}

#[test]
fn mounts_are_taken_away() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("image");
    let open = || store(&root, Form::Erofs, Limits::DEFAULT);
    let layers = open();
    let chains: Vec<_> = (0..80)
        .map(|n| {
            let tar = LayerTar::new().file(&format!("f{n}"), "x").finish();
            put(&layers, &[tar]).unwrap()[0]
        })
        .collect();
    for chain in &chains {
        let lowers = layers.mounted(Some(chain)).unwrap();
        assert_eq!(fs::read_dir(&lowers.paths[0]).unwrap().count(), 1);
    }
    let mounted = fs::read_dir(root.join("mounts")).unwrap().count();
    assert!((64..70).contains(&mounted), "{mounted}");
    let held = layers.mounted(Some(&chains[0])).unwrap();
    layers.remove(&chains[0]).unwrap();
    assert_eq!(fs::read_to_string(held.paths[0].join("f0")).unwrap(), "x");
    drop(held);
    // As if it had been killed.
    std::mem::forget(layers);
    assert!(mounted_beneath(&root));
    let layers = open();
    assert_eq!(layers.list().len(), 79);
    layers.close();
    assert!(!mounted_beneath(&root));
    layers.view(Some(&chains[1])).unwrap();
    drop(layers);
    assert!(!mounted_beneath(&root));
}

fn mounted_beneath(root: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let root = root.to_str().unwrap();
    mounts.lines().any(|line| {
        line.split(' ')
            .nth(4)
            .is_some_and(|on| on.starts_with(root))
    })
}

/// A tree of every kind of thing, read by erofs-utils and compared with what they make of the tar.
#[test]
fn erofs_utils_read_what_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let mut tar = LayerTar::new().dir("./").dir("d/");
    for n in 0..300 {
        tar = tar.file(
            &format!("d/file-with-a-longer-name-{n}"),
            &"x".repeat(n * 7),
        );
    }
    let long = "l".repeat(255);
    let target = vec![b't'; 4000];
    let capability =
        b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let tar = tar
        .pax(&[("path", long.as_bytes())], |tar| tar.file("x", "long"))
        .pax(&[("linkpath", &target)], |tar| tar.symlink("link", "x"))
        .pax(&[("SCHILY.xattr.security.capability", capability)], |tar| {
            tar.file("cap", "x")
        })
        .symlink("short", "d/file-with-a-longer-name-1")
        .hard_link("again", "d/file-with-a-longer-name-9")
        .entry(EntryType::Fifo, "pipe", "", b"")
        .file("empty", "")
        .file("large", &"0123456789abcdef".repeat(1 << 16))
        .finish();
    let layers = store(temp.path(), Form::Erofs, Limits::DEFAULT);
    let chain = put(&layers, &[tar]).unwrap()[0];
    let directory = layers.directories(Some(&chain)).unwrap().remove(0);
    checked(&directory);
    let ours = layers.mounted(Some(&chain)).unwrap();
    let out = Command::new(peer("dump.erofs"))
        .arg("-s")
        .arg(directory.join("index"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success() && text.contains("0xE0F5E1E2"),
        "{text}"
    );
    // Their own index over the same tar shows the same tree.
    let theirs = temp.path().join("theirs");
    let made = Command::new(peer("mkfs.erofs"))
        .args(["--quiet", "--tar=i"])
        .arg(&theirs)
        .arg(directory.join("tar"))
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let on = temp.path().join("on");
    fs::create_dir(&on).unwrap();
    mount(&theirs, &directory.join("tar"), &on);
    let (told, expected) = (all_of(&ours.paths[0]), all_of(&on));
    rustix::mount::unmount(&on, rustix::mount::UnmountFlags::empty()).unwrap();
    assert_eq!(told, expected);
}

fn mount(index: &Path, tar: &Path, on: &Path) {
    use std::os::fd::AsFd;

    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags};
    let context = rustix::mount::fsopen("erofs", FsOpenFlags::empty()).unwrap();
    rustix::mount::fsconfig_set_string(context.as_fd(), "source", index).unwrap();
    rustix::mount::fsconfig_set_string(context.as_fd(), "device", tar).unwrap();
    rustix::mount::fsconfig_create(context.as_fd()).unwrap();
    let attributes = MountAttrFlags::empty();
    let mount = rustix::mount::fsmount(context.as_fd(), FsMountFlags::empty(), attributes).unwrap();
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount.as_fd(), "", rustix::fs::CWD, on, flags).unwrap();
}
