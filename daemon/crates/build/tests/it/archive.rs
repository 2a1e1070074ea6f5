//! `ADD` of archives: what BuildKit makes of them (tried on dockerd 28.5), and those that lie.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use gantry_build::CopyError;
use gantry_dockerfile::TransferStep;
use tar::{Builder, EntryType, Header};

use crate::hostile::{place, run, step};

fn add(source: &str, destination: &str) -> TransferStep {
    TransferStep {
        is_add: true,
        ..step(&[source], destination)
    }
}

fn header(kind: EntryType, size: usize, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(5);
    header.set_gid(6);
    header.set_mtime(1_000_000_000);
    header.set_size(size as u64);
    header
}

/// A root entry, a directory, a file in it, a further name of that file, a link.
fn archive() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut folder = |name: &str, mode| {
        let mut header = header(EntryType::Directory, 0, mode);
        tar.append_data(&mut header, name, &b""[..]).unwrap();
    };
    folder("./", 0o700);
    folder("d", 0o750);
    let mut file = header(EntryType::Regular, 2, 0o640);
    tar.append_data(&mut file, "d/f", &b"hi"[..]).unwrap();
    let mut link = header(EntryType::Link, 0, 0o640);
    tar.append_link(&mut link, "g", "d/f").unwrap();
    let mut link = header(EntryType::Symlink, 0, 0o777);
    tar.append_link(&mut link, "l", "d/f").unwrap();
    tar.into_inner().unwrap()
}

/// An archive of one entry whose name is written as it is.
fn one(name: &str, kind: EntryType, link: &str) -> Vec<u8> {
    let mut header = header(kind, 0, 0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut tar = Builder::new(Vec::new());
    tar.append(&header, &b""[..]).unwrap();
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn archives_are_unpacked_as_buildkit_does() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(from.join("a.tar"), archive()).unwrap();
    fs::write(from.join("a.tgz"), gzip(&archive())).unwrap();
    fs::write(from.join("a.tbz"), bzip2(&archive())).unwrap();
    let sources = [
        ("a.tar", "/x"),
        ("a.tgz", "/y/"),
        ("a.tbz", "/b"),
        ("a.*ar", "/z"),
    ];
    for (source, destination) in sources {
        run(&add(source, destination), &from, &to).unwrap();
        let root = to.join(destination.trim_matches('/'));
        let stat = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
        // The archive's own root is not the destination's.
        assert_eq!(stat("").mode() & 0o7777, 0o755);
        assert_eq!(stat("").uid(), 0);
        assert_eq!(fs::read(root.join("d/f")).unwrap(), b"hi");
        assert_eq!((stat("d/f").uid(), stat("d/f").gid()), (5, 6));
        assert_eq!(stat("d/f").mode() & 0o7777, 0o640);
        assert_eq!(
            (stat("d").mtime(), stat("d/f").mtime()),
            (1_000_000_000, 1_000_000_000)
        );
        assert_eq!(stat("g").ino(), stat("d/f").ino());
        assert_eq!(fs::read_link(root.join("l")).unwrap(), Path::new("d/f"));
    }
    // Owners as they are asked for; modes are the archive's.
    let mut owned = add("a.tar", "/owned");
    owned.chown = Some("7:8".to_owned());
    run(&owned, &from, &to).unwrap();
    let stat = fs::metadata(to.join("owned/d/f")).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o777), (7, 8, 0o640));
    assert_eq!(fs::metadata(to.join("owned")).unwrap().uid(), 7);
    // What is in the way makes room.
    fs::create_dir_all(to.join("w/g/deep")).unwrap();
    fs::write(to.join("w/d"), "").unwrap();
    run(&add("a.tar", "/w"), &from, &to).unwrap();
    assert!(to.join("w/g").is_file() && to.join("w/d").is_dir());
}

#[test]
fn what_is_no_archive_is_copied_as_it_is() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::create_dir(from.join("folder")).unwrap();
    for (name, bytes) in [
        ("a.gz", gzip(b"text")),
        ("zeros.tar", vec![0; 10240]),
        ("empty", Vec::new()),
        ("cut.tgz", b"\x1f\x8b\x08rest".to_vec()),
        ("cut.tbz", b"BZh91AY&SY".to_vec()),
        ("a.bz2", bzip2(b"text")),
        ("folder/a.tar", archive()),
    ] {
        fs::write(from.join(name), &bytes).unwrap();
        let source = name.split('/').next().unwrap();
        run(&add(source, "/x/"), &from, &to).unwrap();
        let base = name.rsplit('/').next().unwrap();
        assert_eq!(fs::read(to.join("x").join(base)).unwrap(), bytes, "{name}");
    }
    fs::write(from.join("a.tar"), archive()).unwrap();
    let mut packed = add("a.tar", "/packed/");
    packed.unpack = Some(false);
    run(&packed, &from, &to).unwrap();
    assert_eq!(fs::read(to.join("packed/a.tar")).unwrap(), archive());
    let copied = step(&["a.tar"], "/copied");
    run(&copied, &from, &to).unwrap();
    assert_eq!(fs::read(to.join("copied")).unwrap(), archive());
}

#[test]
fn no_entry_leads_out() {
    let place = place();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    let secret = place.path().join("secret");
    for name in ["../../escaped", "/../escaped", "a/../../escaped"] {
        fs::write(from.join("bad.tar"), one(name, EntryType::Regular, "")).unwrap();
        let error = run(&add("bad.tar", "/x"), &from, &to).unwrap_err();
        assert!(matches!(error, CopyError::Entry { .. }), "{name}: {error}");
    }
    fs::write(
        from.join("bad.tar"),
        one("h", EntryType::Link, "../../secret"),
    )
    .unwrap();
    let error = run(&add("bad.tar", "/x"), &from, &to).unwrap_err();
    assert!(matches!(error, CopyError::Entry { .. }), "{error}");
    // Links that are there lead within the root; a file replaces one, and is not written through it.
    fs::create_dir(to.join("l")).unwrap();
    symlink(&secret, to.join("l/g")).unwrap();
    symlink(place.path(), to.join("l/d")).unwrap();
    fs::write(from.join("a.tar"), archive()).unwrap();
    run(&add("a.tar", "/l"), &from, &to).unwrap();
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(fs::symlink_metadata(to.join("l/g")).unwrap().is_file());
    assert!(!place.path().join("f").exists());
    assert!(!place.path().join("escaped").exists());
}
