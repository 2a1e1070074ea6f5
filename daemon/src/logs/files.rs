//! The files of a log: `x-json.log` is live, `.1` is the one before it, `.2` the one before that.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::LogError;

/// The most files that are looked for; docker has no limit, nobody keeps a thousand.
const MAX_FILES: u32 = 1000;

/// One file of a log, open.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    identity: (u64, u64),
}

impl Segment {
    fn open(path: &Path) -> Result<Option<Self>, LogError> {
        let failed = |step| {
            move |source| LogError::File {
                step,
                path: path.to_owned(),
                source,
            }
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open")(error)),
        };
        let identity = identity(&file.metadata().map_err(failed("look at"))?);
        Ok(Some(Self { file, identity }))
    }

    /// Bytes written so far.
    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// All files, the oldest first. A rotation in the meantime shows a file twice or not at all: the
/// former is left out, and the latter looked for again.
pub(super) fn open_all(path: &Path) -> Result<Vec<Segment>, LogError> {
    loop {
        let mut found: Vec<Segment> = Vec::new();
        for number in 0..MAX_FILES {
            match Segment::open(&numbered(path, number))? {
                Some(segment) => found.push(segment),
                // Between its two steps a rotation leaves no live file.
                None if number == 0 => {}
                None => break,
            }
        }
        found.dedup_by_key(|segment| segment.identity);
        let live = Segment::open(path)?.map(|segment| segment.identity);
        let unchanged = live.is_none() || found.first().map(|first| first.identity) == live;
        if unchanged {
            found.reverse();
            return Ok(found);
        }
    }
}

/// The file that followed `after` when the log was rotated; none while `after` is live (or while a
/// rotation is between its two steps).
pub(super) fn next(path: &Path, after: &Segment) -> Result<Option<Segment>, LogError> {
    let mut younger = None;
    for number in 0..MAX_FILES {
        let Some(segment) = Segment::open(&numbered(path, number))? else {
            if number == 0 {
                continue;
            }
            break;
        };
        if segment.identity == after.identity {
            return Ok(younger);
        }
        younger = Some(segment);
    }
    // `after` has been removed: what is left all follows it, and the oldest comes first.
    Ok(younger)
}
