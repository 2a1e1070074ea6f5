//! Laying out: what an archive says, and what it must not be able to.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tar::{Builder, EntryType, Header};

use super::*;

fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o4755);
        header.set_mtime(1_000_000);
        // Not by `set_path`, which refuses what a hostile archive holds.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        let links = matches!(kind, EntryType::Symlink | EntryType::Link);
        if links {
            header.set_link_name_literal(content).unwrap();
        }
        let body = if links { "" } else { content };
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn lay_out(
    entries: &[(&str, EntryType, &str)],
    layout: &Layout,
) -> (tempfile::TempDir, Result<Vec<String>>) {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("in")).unwrap();
    let end = unpack(&archive(entries)[..], &outer.path().join("in"), layout);
    (outer, end)
}

#[test]
fn a_tree_is_laid_out_under_its_new_name() {
    let entries = [
        ("d/", EntryType::Directory, ""),
        ("d/f", EntryType::Regular, "hello"),
        ("d/l", EntryType::Symlink, "/nowhere"),
        ("d/h", EntryType::Link, "d/f"),
    ];
    let layout = Layout {
        top: Some("t".into()),
        ..Layout::default()
    };
    let (outer, end) = lay_out(&entries, &layout);
    end.unwrap();
    let top = outer.path().join("in/t");
    assert_eq!(fs::read_to_string(top.join("h")).unwrap(), "hello");
    assert_eq!(fs::read_link(top.join("l")).unwrap(), Path::new("/nowhere"));
    let mode = fs::metadata(top.join("f")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "set-uid needs its owner");
}

#[test]
fn nothing_leads_out() {
    let hostile: [&[(&str, EntryType, &str)]; 4] = [
        &[("../evil", EntryType::Regular, "x")],
        &[
            ("a", EntryType::Symlink, ".."),
            ("a/evil", EntryType::Regular, "x"),
        ],
        &[
            ("a", EntryType::Symlink, "/"),
            ("a/tmp/gantry-evil", EntryType::Regular, "x"),
        ],
        &[("h", EntryType::Link, "../secret")],
    ];
    for entries in hostile {
        let (outer, end) = lay_out(entries, &Layout::default());
        assert!(end.is_err(), "{entries:?}");
        assert!(!outer.path().join("evil").exists());
        assert!(!Path::new("/tmp/gantry-evil").exists());
    }
}

#[test]
fn a_link_is_replaced_and_not_written_through() {
    let entries = [
        ("f", EntryType::Symlink, "../secret"),
        ("f", EntryType::Regular, "new"),
    ];
    let (outer, end) = lay_out(&entries, &Layout::default());
    end.unwrap();
    assert_eq!(
        fs::read_to_string(outer.path().join("in/f")).unwrap(),
        "new"
    );
    assert!(!outer.path().join("secret").exists());
}

#[test]
fn devices_are_left_out() {
    let (outer, end) = lay_out(&[("dev", EntryType::Char, "")], &Layout::default());
    assert_eq!(end.unwrap(), ["dev is a device"]);
    assert!(!outer.path().join("in/dev").exists());
}

#[test]
fn folders_and_files_do_not_overwrite_each_other() {
    let folder_on_file = [
        ("a", EntryType::Regular, "x"),
        ("a/", EntryType::Directory, ""),
    ];
    assert!(lay_out(&folder_on_file, &Layout::default()).1.is_err());
    let file_on_folder = [
        ("a/", EntryType::Directory, ""),
        ("a", EntryType::Regular, "x"),
    ];
    assert!(lay_out(&file_on_folder, &Layout::default()).1.is_err());
}
