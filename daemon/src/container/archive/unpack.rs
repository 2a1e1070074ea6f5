//! A client's tar into a container's tree: `cp` in.
//!
//! The tar is hostile: every parent is resolved beneath the tree's root by the kernel, names with `..`
//! are refused, nodes are made with `…at` calls that follow no link.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RawMode, Timespec, Timestamps, Uid};
use tar::{Archive, Entry, EntryType};

use super::extended::Extended;
use super::root::Root;

/// How to unpack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnpackOptions {
    /// A directory never replaces something else, nor the other way round.
    pub keep_kinds: bool,
    /// The directory itself gets owner and mode of the archive's `./`.
    pub own_root: bool,
    /// Everything belongs to this user and group.
    pub owner: Option<(u32, u32)>,
    /// At most so many bytes of files.
    pub content_bytes_max: Option<u64>,
}

/// Unpacks into the directory `at` of the tree.
pub(super) fn unpack(
    root: &Root,
    at: &Path,
    from: impl Read,
    options: UnpackOptions,
) -> io::Result<()> {
    let mut archive = Archive::new(from);
    let mut directories = Vec::new();
    let mut content_bytes = 0_u64;
    for entry in archive.entries()? {
        let mut entry = entry?;
        // Holes count as well: whoever reads the file reads them.
        let mut extended = Extended::of(&mut entry)?;
        let size = extended.size_bytes().unwrap_or(0).max(entry.size());
        content_bytes = content_bytes.saturating_add(size);
        if let Some(max) = options.content_bytes_max.filter(|max| content_bytes > *max) {
            let text = format!("more than {max} bytes of files");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let name = match extended.name() {
            Some(name) => safe(Path::new(OsStr::from_bytes(name)))?,
            None => safe(&entry.path()?)?,
        };
        if name.as_os_str().is_empty() {
            if options.own_root {
                own(root, at, entry.header())?;
            }
            continue;
        }
        let path = at.join(&name);
        let made = make(root, (at, &path), (&mut entry, &mut extended), options);
        made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", name.display())))?;
        if entry.header().entry_type() == EntryType::Directory {
            directories.push((path, entry.header().mtime().unwrap_or(0)));
        }
    }
    // A directory's time changes with what is put into it.
    for (path, mtime) in directories.into_iter().rev() {
        if let Ok(dir) = root.directory(&path) {
            rustix::fs::futimens(&dir, &times(mtime))?;
        }
    }
    Ok(())
}

/// Owner, then mode.
fn own(root: &Root, at: &Path, header: &tar::Header) -> io::Result<()> {
    let (uid, gid) = owner(header)?;
    let dir = root.directory(at)?;
    rustix::fs::fchown(&dir, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    let mode = Mode::from_raw_mode(header.mode()? & 0o7777);
    Ok(rustix::fs::fchmod(&dir, mode)?)
}

/// User and group of an entry. Fields that a writer left blank are 0, as Go's archive/tar reads them.
fn owner(header: &tar::Header) -> io::Result<(u32, u32)> {
    let id = |field: &[u8], read: io::Result<u64>| {
        if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
            return Ok(0);
        }
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "an owner above 4294967295");
        u32::try_from(read?).map_err(invalid)
    };
    let fields = header.as_old();
    Ok((
        id(&fields.uid, header.uid())?,
        id(&fields.gid, header.gid())?,
    ))
}

/// The name without `.` and slashes.
fn safe(path: &Path) -> io::Result<PathBuf> {
    let mut name = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => name.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let text = format!("invalid path in archive: {}", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    Ok(name)
}

fn make(
    root: &Root,
    (at, path): (&Path, &Path),
    (entry, extended): (&mut Entry<'_, impl Read>, &mut Extended),
    options: UnpackOptions,
) -> io::Result<()> {
    let parent = parent(root, path)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidData)?;
    let kind = entry.header().entry_type();
    let mode = Mode::from_raw_mode(entry.header().mode()? & 0o7777);
    make_room(&parent, path, kind == EntryType::Directory, options)?;
    match kind {
        EntryType::Directory => match rustix::fs::mkdirat(&parent, name, mode) {
            Err(rustix::io::Errno::EXIST) | Ok(()) => {}
            Err(error) => return Err(error.into()),
        },
        EntryType::Symlink => {
            let target = entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?;
            rustix::fs::symlinkat(&*target, &parent, name)?;
        }
        EntryType::Link => {
            let target = safe(&entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?)?;
            let target = at.join(target);
            let target_parent = self::parent(root, &target)?;
            let target = target.file_name().ok_or(io::ErrorKind::InvalidData)?;
            rustix::fs::linkat(&target_parent, target, &parent, name, AtFlags::empty())?;
            return Ok(());
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            let header = entry.header();
            let major = header.device_major()?.unwrap_or(0);
            let minor = header.device_minor()?.unwrap_or(0);
            let kind = match kind {
                EntryType::Char => FileType::CharacterDevice,
                EntryType::Block => FileType::BlockDevice,
                _ => FileType::Fifo,
            };
            let device = rustix::fs::makedev(major, minor);
            rustix::fs::mknodat(&parent, name, kind, mode, device)?;
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let file = rustix::fs::openat(&parent, name, flags | OFlags::CLOEXEC, mode)?;
            extended.write(entry, &mut File::from(file))?;
        }
        // Headers that only describe other entries.
        _ => return Ok(()),
    }
    attributes(&parent, name, entry, extended, options)
}

/// The entry's directory; one that no entry made is made.
fn parent(root: &Root, path: &Path) -> io::Result<OwnedFd> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    match root.directory(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = self::parent(root, parent)?;
            let name = parent.file_name().ok_or(io::ErrorKind::InvalidData)?;
            let mode: RawMode = 0o755;
            rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(mode))?;
            root.directory(parent)
        }
        other => other,
    }
}

/// What is in the way is removed, unless it is a directory that stays one.
fn make_room(
    parent: &OwnedFd,
    path: &Path,
    directory: bool,
    options: UnpackOptions,
) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidData)?;
    let stat = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    match (is_directory, directory) {
        (true, true) => Ok(()),
        (true, false) if options.keep_kinds => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "cannot overwrite directory {:?} with non-directory",
                path.display()
            ),
        )),
        (false, true) if options.keep_kinds => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "cannot overwrite non-directory {:?} with directory",
                path.display()
            ),
        )),
        (true, false) => remove_tree(parent, name),
        (false, _) => Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?),
    }
}

fn remove_tree(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let child = entry.file_name();
        if matches!(child.to_bytes(), b"." | b"..") {
            continue;
        }
        match rustix::fs::unlinkat(&dir, child, AtFlags::empty()) {
            Err(rustix::io::Errno::ISDIR) => {
                let child = OsStr::from_bytes(child.to_bytes());
                remove_tree(&dir, child)?;
            }
            other => other?,
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Owner, then mode and extended attributes (a change of owner clears set-id bits and capabilities), then
/// time.
fn attributes(
    parent: &OwnedFd,
    name: &OsStr,
    entry: &Entry<'_, impl Read>,
    extended: &Extended,
    options: UnpackOptions,
) -> io::Result<()> {
    let header = entry.header();
    let (uid, gid) = match options.owner {
        Some(owner) => owner,
        None => owner(header)?,
    };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chownat(
        parent,
        name,
        Some(uid),
        Some(gid),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    if header.entry_type() != EntryType::Symlink {
        let node = rustix::fs::openat(
            parent,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        // Through the node itself: nobody can put a link in its place in between.
        let own = format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&node.as_fd())
        );
        let mode = Mode::from_raw_mode(header.mode()? & 0o7777);
        rustix::fs::chmodat(CWD, own, mode, AtFlags::empty())?;
        extended.give(&node)?;
    }
    let times = times(header.mtime().unwrap_or(0));
    Ok(rustix::fs::utimensat(
        parent,
        name,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

fn times(mtime: u64) -> Timestamps {
    let at = Timespec {
        tv_sec: i64::try_from(mtime).unwrap_or(0),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: at,
        last_modification: at,
    }
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn blank_owners_are_root_and_absurd_ones_are_refused() {
        let mut header = tar::Header::new_gnu();
        assert_eq!(owner(&header).unwrap(), (0, 0));
        header.set_uid(7);
        header.as_old_mut().gid = *b"       \0";
        assert_eq!(owner(&header).unwrap(), (7, 0));
        header.as_old_mut().gid = *b"x       ";
        assert!(owner(&header).is_err());
        header.set_gid(1 << 32);
        assert!(owner(&header).is_err());
    }
}
