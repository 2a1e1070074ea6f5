use std::fs;

use super::*;

fn files(max: u32) -> NonZeroU32 {
    NonZeroU32::new(max).unwrap()
}

#[test]
fn files_are_numbered_from_the_newest_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x-json.log");
    let mut log = LogFile::open(&path, files(3)).unwrap();
    for text in ["a\n", "b\n", "c\n", "d\n"] {
        if text != "a\n" {
            log.rotate();
        }
        log.append(text.as_bytes());
    }
    let read = |suffix: &str| {
        fs::read_to_string(folder.path().join(format!("x-json.log{suffix}"))).unwrap()
    };
    assert_eq!([read(""), read(".1"), read(".2")], ["d\n", "c\n", "b\n"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_single_file_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = LogFile::open(&path, files(1)).unwrap();
    log.append(b"old\n");
    log.rotate();
    log.append(b"new\n");
    assert_eq!(
        (fs::read(&path).unwrap().as_slice(), log.size()),
        (b"new\n".as_slice(), 4)
    );
}

#[test]
fn an_existing_log_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "first\n").unwrap();
    let mut log = LogFile::open(&path, files(1)).unwrap();
    assert_eq!(log.size(), 6);
    log.append(b"second\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
}
