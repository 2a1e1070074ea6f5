//! The log's files: appended to, renamed `.1`, `.2`, … when the live one is full. A full disk costs
//! records, which are counted, and never leaves half of one behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gantry_stdio::LogPlace;

/// As docker creates it.
const MODE: u32 = 0o640;

/// The live file and its place.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    max_file: NonZeroU32,
    file: File,
    size: u64,
    dropped: u64,
}

impl LogFile {
    pub(super) fn open(path: &Path, max_file: NonZeroU32) -> io::Result<Self> {
        let file = options().open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            max_file,
            file,
            size,
            dropped: 0,
        })
    }

    /// The live file's length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The live file and its length.
    pub(super) fn place(&self) -> io::Result<LogPlace> {
        let file = self.file.metadata()?;
        Ok(LogPlace {
            device: file.dev(),
            inode: file.ino(),
            size: self.size,
        })
    }

    /// How many records could not be written and have not been told about.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Appends the record that tells about dropped ones; the count begins anew if it fits.
    pub(super) fn append_note(&mut self, record: &[u8]) {
        let before = self.dropped;
        self.append(record);
        self.dropped = if self.dropped == before { 0 } else { before };
    }

    /// Appends whole records. What does not fit is counted as dropped.
    pub(super) fn append(&mut self, records: &[u8]) {
        let mut rest = records;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return self.drop_records(records, rest),
                Ok(len) => rest = &rest[len..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.drop_records(records, rest),
            }
        }
        self.size += records.len() as u64;
    }

    /// Takes a record that was written in part out of the file, and counts it and those after it.
    fn drop_records(&mut self, records: &[u8], rest: &[u8]) {
        let written = records.len() - rest.len();
        let whole = memchr::memrchr(b'\n', &records[..written]).map_or(0, |at| at + 1);
        if whole < written && self.file.set_len(self.size + whole as u64).is_err() {
            // The torn record stays; ending its line keeps the next one readable.
            let _ = self.file.write(b"\n");
        }
        self.size = self
            .file
            .metadata()
            .map_or(self.size + whole as u64, |meta| meta.len());
        self.dropped += memchr::memchr_iter(b'\n', &records[whole..]).count() as u64;
    }

    /// Begins a new live file. If the old one cannot be moved away it is written on.
    pub(super) fn rotate(&mut self) {
        if self.max_file == NonZeroU32::MIN {
            if self.file.set_len(0).is_ok() {
                self.size = 0;
            }
            return;
        }
        for number in (1..self.max_file.get()).rev() {
            let from = if number == 1 {
                self.path.clone()
            } else {
                self.numbered(number - 1)
            };
            let result = std::fs::rename(from, self.numbered(number));
            if number == 1 && result.is_err() {
                return;
            }
        }
        if let Ok(file) = options().open(&self.path) {
            self.size = file.metadata().map_or(0, |meta| meta.len());
            self.file = file;
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE);
    options
}

#[cfg(test)]
mod tests;
