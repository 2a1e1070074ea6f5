//! Reads what a runtime wrote to its `--log` file: JSON objects with `level`, `msg` and `time`, one a
//! line by runc, spread over several lines by crun.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// The most of a log that is looked at, in bytes.
const LIMIT: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Entry {
    level: String,
    msg: String,
}

/// The message of the last entry of level `error` that was written after the first `start` bytes.
pub(super) fn last_error(path: &Path, start: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text).ok()?;
    entries(&text)
        .filter(|entry| entry.level == "error")
        .last()
        .map(|entry| entry.msg.trim().to_owned())
}

/// The log's entries; a line that is in none of them is passed over.
fn entries(text: &[u8]) -> impl Iterator<Item = Entry> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let mut objects = serde_json::Deserializer::from_slice(rest).into_iter();
            if let Some(Ok(entry)) = objects.next() {
                rest = &rest[objects.byte_offset()..];
                return Some(entry);
            }
            rest = memchr::memchr(b'\n', rest).map_or(&[], |end| &rest[end + 1..]);
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_may_have_several_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        let crun = "noise\n{\n  \"msg\": \"executable file `x` not found in $PATH\",\n  \
                    \"level\": \"error\",\n  \"time\": \"2026-11-21T16:49:57.989392Z\"\n}\n{ torn\n";
        std::fs::write(&path, crun).unwrap();
        assert_eq!(
            last_error(&path, 0).as_deref(),
            Some("executable file `x` not found in $PATH")
        );
    }

    #[test]
    fn the_last_error_of_this_call_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.json");
        let old = "{\"level\":\"error\",\"msg\":\"old\",\"time\":\"t\"}\n";
        let new = "{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"last\"}\n\
                   {\"level\":\"warning\",\"msg\":\"later\"}\nnot json\n";
        std::fs::write(&path, format!("{old}{new}")).unwrap();
        assert_eq!(last_error(&path, old.len() as u64).as_deref(), Some("last"));
        assert_eq!(last_error(&path, (old.len() + new.len()) as u64), None);
        assert_eq!(last_error(&folder.path().join("none"), 0), None);
    }
}
