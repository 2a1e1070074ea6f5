//! Reads what a runtime wrote to its `--log` file (JSON lines of logrus: `level`, `msg`, `time`).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// The most of a log that is looked at, in bytes.
const LIMIT: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Line {
    level: String,
    msg: String,
}

/// The message of the last line of level `error` that was written after the first `start` bytes.
pub(super) fn last_error(path: &Path, start: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text).ok()?;
    text.split(|byte| *byte == b'\n')
        .rev()
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .find(|line| line.level == "error")
        .map(|line| line.msg.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
