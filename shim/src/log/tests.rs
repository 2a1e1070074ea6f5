use std::collections::BTreeMap;
use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags};

use super::*;

fn options(path: &Path) -> JsonFile {
    JsonFile::unlimited(path.to_owned())
}

fn logs(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| {
            let record: BTreeMap<String, String> = serde_json::from_str(line).unwrap();
            format!("{}:{}", record["stream"], record["log"])
        })
        .collect()
}

#[test]
fn streams_are_cut_into_lines_each_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = JsonLog::open(&options(&path)).unwrap();
    log.write(Stream::Stdout, b"out");
    log.write(Stream::Stderr, b"err\n");
    log.write(Stream::Stdout, b"put\nrest");
    log.end(Stream::Stdout);
    log.end(Stream::Stderr);
    assert_eq!(
        logs(&path),
        ["stderr:err\n", "stdout:output\n", "stdout:rest"]
    );
}

#[test]
fn no_line_is_lost_doubled_or_torn_by_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let limit = 10_000;
    let options = JsonFile {
        max_size: NonZeroU64::new(limit),
        max_file: NonZeroU32::new(100).unwrap(),
        ..options(&path)
    };
    let mut log = JsonLog::open(&options).unwrap();
    let text: Vec<u8> = (0..5000)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect();
    for chunk in text.chunks(7919) {
        log.write(Stream::Stdout, chunk);
    }
    let mut all = Vec::new();
    let count = fs::read_dir(folder.path()).unwrap().count();
    for number in (1..count).rev() {
        let rotated = folder.path().join(format!("log.{number}"));
        let len = fs::metadata(&rotated).unwrap().len();
        assert!(
            (limit..limit + 200).contains(&len),
            "rotated at {len} bytes"
        );
        all.extend(logs(&rotated));
    }
    all.extend(logs(&path));
    assert!(count > 20);
    let expected: Vec<String> = (0..5000).map(|n| format!("stdout:line {n}\n")).collect();
    assert_eq!(all, expected);
}

/// A file system of 64 KiB, taken away again.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        rustix::mount::mount(
            "none",
            folder.path(),
            "tmpfs",
            MountFlags::empty(),
            Some(c"size=64k"),
        )
        .expect("these tests run as root");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        rustix::mount::unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn a_full_disk_costs_records_that_are_counted_and_told() {
    let disk = Small::mount();
    let path = disk.0.path().join("log");
    let ballast = disk.0.path().join("ballast");
    let mut log = JsonLog::open(&options(&path)).unwrap();
    log.write(Stream::Stdout, b"before\n");
    fs::write(&ballast, vec![0; 40_000]).unwrap();
    let many = b"0123456789\n".repeat(1000);
    log.write(Stream::Stdout, &many);
    let kept = logs(&path);
    assert!(kept.len() < 1001, "the disk was full");
    assert_eq!(kept[0], "stdout:before\n");

    fs::remove_file(&ballast).unwrap();
    log.write(Stream::Stdout, b"after\n");
    let all = logs(&path);
    let dropped = 1001 - kept.len();
    let note =
        format!("stderr:gantry: {dropped} log records dropped, no space left on the device\n");
    assert_eq!(all[kept.len()..], [note, "stdout:after\n".to_owned()]);
}

/// Output made to be hard to encode (see `hostile_output_is_logged_as_by_dockerd` of the whole stack's
/// tests, which has dockerd write it), and the log that dockerd 28 wrote of it.
const HOSTILE: &[u8] = include_bytes!("../../tests/fixtures/hostile-output.bin");
const LOG_OF_DOCKERD: &str = include_str!("../../tests/fixtures/hostile-output.dockerd-28.log");

/// A record up to its time.
fn timeless(record: &str) -> &str {
    record.rsplit_once(",\"time\":\"").unwrap().0
}

#[test]
fn hostile_output_gives_dockerds_bytes_however_it_arrives() {
    let expected: Vec<&str> = LOG_OF_DOCKERD.lines().map(timeless).collect();
    for chunk in [1, 7, 64, 4096, 16 * 1024, 65_536, HOSTILE.len()] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = JsonLog::open(&options(&path)).unwrap();
        for bytes in HOSTILE.chunks(chunk) {
            log.write(Stream::Stdout, bytes);
        }
        log.end(Stream::Stdout);
        let written = fs::read_to_string(&path).unwrap();
        let written: Vec<&str> = written.lines().map(timeless).collect();
        assert!(written == expected, "in chunks of {chunk}");
    }
}

#[test]
fn times_are_written_as_by_dockerd() {
    let mut encoder = Encoder::new(None);
    for line in LOG_OF_DOCKERD.lines() {
        let time = line.rsplit_once(",\"time\":\"").unwrap().1;
        encoder.set_time(time.strip_suffix("\"}").unwrap().parse().unwrap());
        let mut record = Vec::new();
        encoder.append(&mut record, Stream::Stdout, b"", lines::End::Cut);
        assert!(record.ends_with(format!("{time}\n").as_bytes()), "{line}");
    }
}
