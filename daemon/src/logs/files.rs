//! The files of a log: `x-json.log` is live, `.1` is the one before it, `.2` the one before that.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gantry_stdio::LogPlace;

use super::LogError;

/// The most files that are looked for; docker has no limit, nobody keeps a thousand.
const MAX_FILES: u32 = 1000;

/// One file of a log, open.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    identity: (u64, u64),
    /// Where a reader is to stop, in bytes.
    limit: Option<u64>,
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
        Ok(Some(Self {
            file,
            identity,
            limit: None,
        }))
    }

    /// Where a reader stops for good, if it does not go on to the next file.
    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
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

/// Leaves what was written before `end`: the file that was live there to its length of then, and all
/// older ones. If that file has been rotated away since, so has everything before it.
pub(super) fn cut(segments: &mut Vec<Segment>, end: LogPlace) {
    let live = |segment: &Segment| segment.identity == (end.device, end.inode);
    let kept = segments.iter().position(live).map_or(0, |at| at + 1);
    segments.truncate(kept);
    if let Some(last) = segments.last_mut() {
        last.limit = Some(end.size);
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
