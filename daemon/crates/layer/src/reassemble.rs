//! A layer's exact tar again, from its recipe and its files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use gantry_ids::Digest;
use rustix::fs::{OFlags, ResolveFlags};
use sha2::Digest as _;

use crate::recipe::{RecipeReader, Record};
use crate::store::{Layer, LayerError};
use crate::{DiffId, overlay};

const COPY_BYTES: usize = 256 << 10;

/// Writes the tar of the layer in `directory` to `to` and compares its digest.
pub(crate) fn write(directory: &Path, layer: &Layer, to: &mut dyn Write) -> Result<(), LayerError> {
    let damaged = |path: &str| {
        let (chain, path) = (layer.chain, path.to_owned());
        move |source: io::Error| LayerError::DamagedFile {
            chain,
            path,
            source,
        }
    };
    let copied = |copied: Result<(), CopyError>, path: &str| {
        copied.map_err(|error| match error {
            CopyError::Read(error) => damaged(path)(error),
            CopyError::Write(error) => LayerError::Write(error),
        })
    };
    let recipe = directory.join("recipe");
    let open = || File::open(&recipe).and_then(RecipeReader::new);
    let mut files = Files::open(directory).map_err(damaged("fs"))?;
    if files.kept.is_some() {
        files.moves = read_moves(open().map_err(damaged("recipe"))?).map_err(damaged("recipe"))?;
    }
    let mut reader = open().map_err(damaged("recipe"))?;
    let mut out = Hashing {
        to,
        hash: sha2::Sha256::new(),
    };
    let mut buffer = vec![0; COPY_BYTES];
    for position in 0.. {
        match reader.next_record().map_err(damaged("recipe"))? {
            Record::Raw(bytes) => out.write(&bytes).map_err(LayerError::Write)?,
            Record::Content { size, path } => {
                let shown = String::from_utf8_lossy(&path);
                let mut file = files.find(&path, position).map_err(damaged(&shown))?;
                copied(copy(&mut file, size, &mut buffer, &mut out), &shown)?;
            }
            Record::Segments { path, segments } => {
                let shown = String::from_utf8_lossy(&path);
                let mut file = files.find(&path, position).map_err(damaged(&shown))?;
                let mut end = 0;
                for segment in segments {
                    check_hole(&file, end..segment.offset, &mut buffer)
                        .and_then(|()| file.seek(SeekFrom::Start(segment.offset)))
                        .map_err(damaged(&shown))?;
                    copied(copy(&mut file, segment.len, &mut buffer, &mut out), &shown)?;
                    end = segment.end();
                }
                check_hole(&file, end..u64::MAX, &mut buffer).map_err(damaged(&shown))?;
            }
            Record::Moved { .. } => {}
            Record::End(_) => break,
        }
    }
    let found = DiffId::new(Digest::from_bytes(out.hash.finalize().into()));
    if found == layer.diff_id {
        Ok(())
    } else {
        Err(LayerError::Damaged {
            chain: layer.chain,
            found,
            expected: layer.diff_id,
        })
    }
}

/// When something was moved away: after the record at this position, to `kept/<number>`.
type Moves = HashMap<Vec<u8>, Vec<(u64, u64)>>;

fn read_moves(mut reader: RecipeReader) -> io::Result<Moves> {
    let mut moves = Moves::new();
    for position in 0.. {
        match reader.next_record()? {
            Record::Moved { number, path } => {
                moves.entry(path).or_default().push((position, number));
            }
            Record::End(_) => break,
            Record::Raw(_) | Record::Content { .. } | Record::Segments { .. } => {}
        }
    }
    Ok(moves)
}

/// The layer's files and those that were replaced.
struct Files {
    fs: OwnedFd,
    kept: Option<OwnedFd>,
    moves: Moves,
    /// The directory of the last file, because the next one is usually in it too.
    directory: Option<(Vec<u8>, OwnedFd)>,
}

impl Files {
    fn open(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |name| rustix::fs::open(directory.join(name), flags, rustix::fs::Mode::empty());
        let kept = match open("kept") {
            Ok(kept) => Some(kept),
            Err(rustix::io::Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            fs: open("fs")?,
            kept,
            moves: Moves::new(),
            directory: None,
        })
    }

    /// Opens the file that lay at `path` when the record at `position` was written.
    fn find(&mut self, path: &[u8], position: u64) -> io::Result<File> {
        if let (Some((number, rest)), Some(kept)) = (self.moved(path, position), &self.kept) {
            let place = [number.to_string().as_bytes(), rest].concat();
            return open_file(kept, &place);
        }
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b"."[..], path),
        };
        if self
            .directory
            .as_ref()
            .is_none_or(|(known, _)| known != parent)
        {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let opened = overlay::open_directory(self.fs.as_fd(), parent, resolve)?;
            self.directory = Some((parent.to_vec(), opened));
        }
        let (_, directory) = self.directory.as_ref().expect("opened above");
        open_file(directory, name)
    }

    /// The first move after `position` of the path or of a directory it lay in: where it went, and
    /// the path beneath that with its slash.
    fn moved<'a>(&self, path: &'a [u8], position: u64) -> Option<(u64, &'a [u8])> {
        if self.moves.is_empty() {
            return None;
        }
        let ends = (0..=path.len()).filter(|end| path.get(*end).is_none_or(|byte| *byte == b'/'));
        ends.filter_map(|end| {
            let moves = self.moves.get(&path[..end])?;
            let next = moves.partition_point(|(at, _)| *at <= position);
            moves
                .get(next)
                .map(|(at, number)| (*at, *number, &path[end..]))
        })
        .min_by_key(|(at, ..)| *at)
        .map(|(_, number, rest)| (number, rest))
    }
}

fn open_file(directory: &OwnedFd, path: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(overlay::open_beneath(directory.as_fd(), path, flags, resolve)?.into())
}

struct Hashing<'a> {
    to: &'a mut dyn Write,
    hash: sha2::Sha256,
}

impl Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.to.write_all(bytes)
    }
}

enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Sees that nothing but zeros lies in a hole: the tar does not say what is there, so that its digest
/// would not tell.
fn check_hole(file: &File, hole: Range<u64>, buffer: &mut [u8]) -> io::Result<()> {
    let mut at = hole.start;
    while at < hole.end {
        at = match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
            Err(rustix::io::Errno::NXIO) => return Ok(()),
            other => other?,
        };
        let left = usize::try_from(hole.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        // File systems keep whole blocks: content may begin before its segment, as zeros.
        let len = file.read_at(&mut buffer[..most], at)?;
        if buffer[..len].iter().any(|byte| *byte != 0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has content where the layer has a hole",
            ));
        }
        if len == 0 {
            return Ok(());
        }
        at += len as u64;
    }
    Ok(())
}

/// Copies exactly `size` bytes; a shorter file is an error.
fn copy(
    file: &mut File,
    size: u64,
    buffer: &mut [u8],
    out: &mut Hashing<'_>,
) -> Result<(), CopyError> {
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let len = file.read(&mut buffer[..most]).map_err(CopyError::Read)?;
        if len == 0 {
            return Err(CopyError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        out.write(&buffer[..len]).map_err(CopyError::Write)?;
        left -= len as u64;
    }
    Ok(())
}
