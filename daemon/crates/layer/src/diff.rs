//! What a container changed, as a layer's tar.
//!
//! Reads an overlay's upper directory and writes it in the layer format (image-spec, "Image Layer
//! Filesystem Changeset"): a deleted file becomes `.wh.<name>`, an opaque directory gets
//! `.wh..wh..opq`. Entries are sorted, so that the same changes give the same bytes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, openat, readlinkat, statat,
};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

const OPAQUE: &str = "trusted.overlay.opaque";
const OPAQUE_ENTRY: &[u8] = b".wh..wh..opq";
const DELETED: &[u8] = b".wh.";
/// Marks that change what a directory or file means: such a diff cannot be told by a tar.
const NOT_PLAIN: [&str; 2] = ["trusted.overlay.redirect", "trusted.overlay.metacopy"];
const XATTR_MAX_BYTES: usize = 64 << 10;
/// As deep as a layer may be (`Limits::depth`).
const DEPTH_MAX: usize = 256;

/// Writes the changes in `upper`. Answers whether there are any.
///
/// # Errors
/// Whatever the kernel refuses, and a directory that overlay renamed in place.
pub fn write_diff(upper: &Path, to: &mut dyn Write) -> io::Result<bool> {
    write_diff_until(upper, u64::MAX, to)
}

/// The same, with later times of modification replaced by `epoch_s`, seconds since 1970
/// (`SOURCE_DATE_EPOCH`).
///
/// # Errors
/// As [`write_diff`].
pub fn write_diff_until(upper: &Path, epoch_s: u64, to: &mut dyn Write) -> io::Result<bool> {
    write(upper, (epoch_s, &[]), to)
}

/// As [`write_diff`], without empty files at `provided` places: mounts of an engine lie on them.
///
/// # Errors
/// As [`write_diff`].
pub fn write_diff_without(upper: &Path, provided: &[&str], to: &mut dyn Write) -> io::Result<bool> {
    write(upper, (u64::MAX, provided), to)
}

fn write(
    upper: &Path,
    (epoch_s, provided): (u64, &[&str]),
    to: &mut dyn Write,
) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let root = openat(rustix::fs::CWD, upper, flags, Mode::empty())?;
    let mut writer = DiffWriter {
        tar: Builder::new(to),
        links: HashMap::new(),
        entries: 0,
        epoch_s,
        provided,
    };
    writer.children(&root, Path::new(""), 0)?;
    writer.tar.finish()?;
    Ok(writer.entries > 0)
}

struct DiffWriter<'a> {
    tar: Builder<&'a mut dyn Write>,
    /// First names of files with several.
    links: HashMap<(u64, u64), PathBuf>,
    entries: u64,
    /// The latest time that is written.
    epoch_s: u64,
    /// Empty files that are left out.
    provided: &'a [&'a str],
}

impl DiffWriter<'_> {
    fn children(&mut self, directory: &OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "directories lie too deep",
            ));
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let stat = match statat(directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                // A running container may take it away meanwhile.
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            self.entry(directory.as_fd(), &name, (path, depth), &stat)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        (parent, depth): (&Path, usize),
        stat: &Stat,
    ) -> io::Result<()> {
        let path = parent.join(OsStr::from_bytes(name));
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            let deleted = parent.join(OsStr::from_bytes(&[DELETED, name].concat()));
            return self.empty_file(&deleted);
        }
        match kind {
            FileType::Directory => self.directory(directory, name, (&path, depth), stat),
            FileType::RegularFile if stat.st_size == 0 && self.is_provided(&path) => Ok(()),
            FileType::RegularFile => self.file(directory, name, &path, stat),
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new())?;
                let mut header = self.header(stat, EntryType::Symlink, 0);
                self.entries += 1;
                self.tar
                    .append_link(&mut header, &path, OsStr::from_bytes(target.to_bytes()))
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                self.node(&path, kind, stat)
            }
            // Sockets have no place in a tar.
            _ => Ok(()),
        }
    }

    fn is_provided(&self, path: &Path) -> bool {
        self.provided
            .iter()
            .any(|provided| path == Path::new(provided))
    }

    fn directory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        (path, depth): (&Path, usize),
        stat: &Stat,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let directory = openat(parent, name, flags, Mode::empty())?;
        let attributes = attributes(directory.as_fd())?;
        self.attributes(&attributes)?;
        let mut header = self.header(stat, EntryType::Directory, 0);
        self.entries += 1;
        self.tar
            .append_data(&mut header, path.join(""), io::empty())?;
        if attributes.is_opaque {
            self.empty_file(&path.join(OsStr::from_bytes(OPAQUE_ENTRY)))?;
        }
        self.children(&directory, path, depth + 1)
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &Path,
        stat: &Stat,
    ) -> io::Result<()> {
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                let mut header = self.header(stat, EntryType::Link, 0);
                self.entries += 1;
                return self.tar.append_link(&mut header, path, first.clone());
            }
            self.links
                .insert((stat.st_dev, stat.st_ino), path.to_owned());
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(openat(parent, name, flags, Mode::empty())?);
        self.attributes(&attributes(file.as_fd())?)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = self.header(stat, EntryType::Regular, size);
        self.entries += 1;
        // A file that shrinks or grows meanwhile gives as many bytes as its header says.
        let content = io::Read::take(io::Read::chain(file, io::repeat(0)), size);
        self.tar.append_data(&mut header, path, content)
    }

    fn node(&mut self, path: &Path, kind: FileType, stat: &Stat) -> io::Result<()> {
        let entry = match kind {
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            _ => EntryType::Fifo,
        };
        let mut header = self.header(stat, entry, 0);
        if kind != FileType::Fifo {
            header.set_device_major(rustix::fs::major(stat.st_rdev))?;
            header.set_device_minor(rustix::fs::minor(stat.st_rdev))?;
        }
        self.entries += 1;
        self.tar.append_data(&mut header, path, io::empty())
    }

    /// Whiteouts: their owner, mode and time mean nothing, so that they are always the same.
    fn empty_file(&mut self, path: &Path) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_size(0);
        self.entries += 1;
        self.tar.append_data(&mut header, path, io::empty())
    }

    fn header(&self, stat: &Stat, kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(stat.st_uid.into());
        header.set_gid(stat.st_gid.into());
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0).min(self.epoch_s));
        header.set_size(size);
        header
    }

    fn attributes(&mut self, attributes: &Attributes) -> io::Result<()> {
        let pairs = attributes.kept.iter();
        self.tar
            .append_pax_extensions(pairs.map(|(key, value)| (key.as_str(), value.as_slice())))
    }
}

/// The extended attributes that belong to a layer, as PAX keys, and whether overlay hides what lies
/// beneath.
#[derive(Debug, Default)]
struct Attributes {
    kept: Vec<(String, Vec<u8>)>,
    is_opaque: bool,
}

fn attributes(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    let mut found = Attributes::default();
    let mut buffer = vec![0; XATTR_MAX_BYTES];
    let length = match flistxattr(file, &mut *buffer) {
        Err(Errno::NOTSUP) => return Ok(found),
        other => other?,
    };
    let mut names: Vec<&[u8]> = buffer[..length].split(|byte| *byte == 0).collect();
    names.sort_unstable();
    for name in names {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        if NOT_PLAIN.contains(&name) {
            let text = "a directory was renamed by overlay itself (redirect_dir)";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let is_kept = name == "security.capability" || name.starts_with("user.");
        if !is_kept && name != OPAQUE {
            continue;
        }
        let mut value = vec![0; XATTR_MAX_BYTES];
        let length = match fgetxattr(file, name, &mut *value) {
            Err(Errno::NODATA) => continue,
            other => other?,
        };
        value.truncate(length);
        if name == OPAQUE {
            found.is_opaque = value == b"y";
        } else {
            found.kept.push((format!("SCHILY.xattr.{name}"), value));
        }
    }
    Ok(found)
}
