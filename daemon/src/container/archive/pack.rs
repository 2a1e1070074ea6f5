//! A tree, or a single node, as a tar: `cp` out of a container and `export`.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use tar::{Builder, EntryType, Header};

/// How deep directories may be nested.
const DEPTH_MAX: usize = 1024;
/// The extended attribute that a copy keeps, as dockerd does.
const CAPABILITY: &str = "security.capability";

/// Writes nodes into a tar.
pub(super) struct Packer<W: Write> {
    tar: Builder<W>,
    /// Where a node with several names was written first.
    links: HashMap<(u64, u64), PathBuf>,
    device: Option<u64>,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(to: W) -> Self {
        Self {
            tar: Builder::new(to),
            links: HashMap::new(),
            device: None,
        }
    }

    /// Stays on one file system (`export` leaves out what is mounted).
    pub(super) fn on_device(mut self, device: u64) -> Self {
        self.device = Some(device);
        self
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.tar.finish()
    }

    /// Writes owner, mode and time of the directory that all others are in.
    pub(super) fn root(&mut self, stat: &Stat) -> io::Result<()> {
        let mut header = header(stat, EntryType::Directory);
        // A path of no component is none that `set_path` takes.
        header.as_old_mut().name[..2].copy_from_slice(b"./");
        header.set_cksum();
        self.tar.append(&header, io::empty())
    }

    /// Writes the node `name` of `parent` as `shown`, and everything beneath it.
    pub(super) fn node(
        &mut self,
        parent: &impl AsFd,
        name: &OsStr,
        shown: &Path,
        depth: usize,
    ) -> io::Result<()> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if self.device.is_some_and(|device| device != stat.st_dev) {
            return self.header_only(&stat, shown);
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
                self.directory(&dir, &stat, shown, depth)
            }
            FileType::RegularFile => self.file(parent, name, &stat, shown),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new())?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                let mut header = header(&stat, EntryType::Symlink);
                self.tar.append_link(&mut header, shown, target)
            }
            // A socket lives only with its process.
            FileType::Socket => Ok(()),
            _ => self.header_only(&stat, shown),
        }
    }

    /// Writes an open directory and what is in it.
    pub(super) fn directory(
        &mut self,
        dir: &OwnedFd,
        stat: &Stat,
        shown: &Path,
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("directories are nested too deeply"));
        }
        if !shown.as_os_str().is_empty() {
            self.header_only(stat, shown)?;
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort();
        for name in names {
            match self.node(dir, &name, &shown.join(&name), depth + 1) {
                // Gone since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        parent: &impl AsFd,
        name: &OsStr,
        stat: &Stat,
        shown: &Path,
    ) -> io::Result<()> {
        if stat.st_nlink > 1 {
            let key = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&key) {
                let mut header = header(stat, EntryType::Link);
                return self.tar.append_link(&mut header, shown, first.clone());
            }
            self.links.insert(key, shown.to_owned());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        let mut value = [0; 64];
        if let Ok(length) = rustix::fs::fgetxattr(&file, CAPABILITY, &mut value) {
            let key = format!("SCHILY.xattr.{CAPABILITY}");
            self.tar
                .append_pax_extensions([(key.as_str(), &value[..length])])?;
        }
        let mut header = header(stat, EntryType::Regular);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        header.set_size(size);
        // A file that grows meanwhile is cut, one that shrinks is filled up: the header is out.
        let content = io::Read::take(io::Read::chain(File::from(file), io::repeat(0)), size);
        self.tar.append_data(&mut header, shown, content)
    }

    fn header_only(&mut self, stat: &Stat, shown: &Path) -> io::Result<()> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => EntryType::Directory,
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            FileType::Fifo => EntryType::Fifo,
            _ => EntryType::Regular,
        };
        let mut header = header(stat, kind);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(rustix::fs::major(stat.st_rdev))?;
            header.set_device_minor(rustix::fs::minor(stat.st_rdev))?;
        }
        // A directory's name ends in a slash.
        let directory = kind == EntryType::Directory;
        let shown = if directory { &shown.join("") } else { shown };
        self.tar.append_data(&mut header, shown, io::empty())
    }
}

fn header(stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}
