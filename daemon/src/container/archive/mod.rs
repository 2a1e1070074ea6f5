//! Files of a container: `cp` in both directions, what is at a path, `export`.

mod extended;
mod pack;
mod root;
mod unpack;

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use gantry_engine_api::container::{NEVER, PathStat};
use jiff::Timestamp;
use pack::Packer;
pub(crate) use root::Root;
use rustix::fs::{FileType, Stat};
pub use unpack::UnpackOptions;

use super::{
    error::ContainerError,
    model::Record,
    mounts::{Source, clean},
    registry::{Containers, Handle, Parts},
};

/// Unpacks a tar into a directory of the engine's own: a build context.
///
/// # Errors
/// The first entry that cannot be made, by name.
pub(crate) fn unpack_into(
    directory: &Path,
    from: impl std::io::Read,
    options: UnpackOptions,
) -> io::Result<()> {
    unpack::unpack(
        &Root::of_directory(directory)?,
        Path::new("/"),
        from,
        options,
    )
}

/// Writes a directory of the engine's own as a tar, itself as `./` with what is mounted beneath it left
/// out. Blocks.
///
/// # Errors
/// Whatever the directory or the writer fails with.
pub(crate) fn pack_directory(directory: &Path, to: impl Write) -> io::Result<()> {
    let dir = Root::of_directory(directory)?.directory(Path::new("/"))?;
    let stat = rustix::fs::fstat(&dir)?;
    let mut packer = Packer::new(to).on_device(stat.st_dev);
    packer.root(&stat)?;
    packer.directory(&dir, &stat, Path::new(""), 0)?;
    packer.finish()
}

impl Containers {
    /// What is at a path; the last link is not followed.
    ///
    /// # Errors
    /// 404 if there is nothing.
    pub async fn stat_path(&self, handle: &Handle, path: &str) -> Result<PathStat, ContainerError> {
        let (parts, record) = (self.parts.clone(), handle.record());
        let path = path.to_owned();
        super::create::blocking(move || {
            let place = Place::find(&parts, &record, &path)?;
            place.stat()
        })
        .await
    }

    /// Writes what is at a path as a tar. Blocks: for the blocking pool.
    ///
    /// # Errors
    /// 404 if there is nothing; whatever the writer fails with.
    pub fn pack(&self, handle: &Handle, path: &str, to: impl Write) -> Result<(), ContainerError> {
        let record = handle.record();
        let place = Place::find(&self.parts, &record, path)?;
        place.pack(to)?;
        self.parts.announce(&record, "archive-path", &[]);
        Ok(())
    }

    /// Writes the whole root file system as a tar, without what is mounted in it. Blocks.
    ///
    /// # Errors
    /// Whatever the writer fails with.
    pub fn export(&self, handle: &Handle, to: impl Write) -> Result<(), ContainerError> {
        let record = handle.record();
        let wrong = |source| failed("export", Path::new("/"), source);
        let root = open_root(&self.parts, &record)?;
        let dir = root.directory(Path::new("/")).map_err(wrong)?;
        let stat = rustix::fs::fstat(&dir).map_err(|error| wrong(error.into()))?;
        let mut packer = Packer::new(to).on_device(stat.st_dev);
        packer
            .directory(&dir, &stat, Path::new(""), 0)
            .map_err(wrong)?;
        packer.finish().map_err(wrong)?;
        self.parts.announce(&record, "export", &[]);
        Ok(())
    }

    /// Unpacks a tar into a directory of the container. Blocks.
    ///
    /// # Errors
    /// 400 if the path is no directory; whatever is wrong with the tar.
    pub fn unpack(
        &self,
        handle: &Handle,
        path: &str,
        from: impl Read,
        options: UnpackOptions,
    ) -> Result<(), ContainerError> {
        let record = handle.record();
        let place = Place::find(&self.parts, &record, path)?;
        if !place.writable {
            let text = format!("container rootfs is marked read-only: {path}");
            return Err(ContainerError::Forbidden(text));
        }
        match place.root.directory(&place.path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(place.missing()),
            Err(_) => {
                return Err(ContainerError::Invalid(
                    "extraction point is not a directory".to_owned(),
                ));
            }
        }
        unpack::unpack(&place.root, &place.path, from, options)
            .map_err(|error| ContainerError::Invalid(format!("extract to {path}: {error}")))?;
        self.parts.announce(&record, "extract-to-dir", &[]);
        Ok(())
    }
}

fn failed(step: &'static str, path: &Path, source: io::Error) -> ContainerError {
    ContainerError::File {
        step,
        path: path.to_owned(),
        source,
    }
}

/// A path in the tree that holds it.
struct Place {
    root: Root,
    /// Within that tree.
    path: PathBuf,
    /// As the client asked for it.
    asked: String,
    /// What is asked for is the directory itself, links followed (`/dir/.`).
    inside: bool,
    writable: bool,
    container: String,
}

impl Place {
    fn find(parts: &Parts, record: &Record, asked: &str) -> Result<Self, ContainerError> {
        if asked.is_empty() {
            return Err(ContainerError::Invalid(
                "bad parameter: 'path' cannot be empty".to_owned(),
            ));
        }
        let inside = asked.ends_with('/') || asked.ends_with("/.") || asked == ".";
        let path = clean(asked);
        let place = |root, path: String, writable| Self {
            root,
            path: PathBuf::from(path),
            asked: asked.to_owned(),
            inside,
            writable,
            container: record.name.to_string(),
        };
        let rootfs_writable = !record.host.readonly_rootfs;
        let mounted = record
            .mounts
            .iter()
            .filter(|mount| path == mount.target || path.starts_with(&format!("{}/", mount.target)))
            .max_by_key(|mount| mount.target.len());
        let writable = mounted.map_or(rootfs_writable, |mount| mount.writable);
        if record.life.pid().is_some() {
            return Ok(place(open_root(parts, record)?, path, writable));
        }
        if let Some(mount) = mounted {
            let source = match &mount.source {
                Source::Bind { path, .. } | Source::Volume { path, .. } => PathBuf::from(path),
                Source::Image { .. } | Source::Tmpfs { .. } => {
                    return Ok(place(open_root(parts, record)?, path, writable));
                }
            };
            let rest = path[mount.target.len()..].to_owned();
            // A file that is bound is looked up in its own directory.
            if source.is_file() {
                let (dir, name) = (source.parent(), source.file_name());
                let dir = dir.unwrap_or(Path::new("/"));
                let root = Root::of_directory(dir).map_err(|e| failed("open", dir, e))?;
                let name = name.unwrap_or_default().to_string_lossy().into_owned();
                return Ok(place(root, name, writable));
            }
            let root = Root::of_directory(&source).map_err(|e| failed("open", &source, e))?;
            return Ok(place(root, rest, writable));
        }
        Ok(place(open_root(parts, record)?, path, writable))
    }

    fn missing(&self) -> ContainerError {
        ContainerError::NotFound(format!(
            "Could not find the file {} in container {}",
            self.asked, self.container
        ))
    }

    fn open(&self) -> Result<std::os::fd::OwnedFd, ContainerError> {
        let opened = if self.inside {
            self.root.directory(&self.path)
        } else {
            self.root.node(&self.path)
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => self.missing(),
            _ => failed("open", Path::new(&self.asked), error),
        })
    }

    fn name(&self) -> String {
        let cleaned = clean(&self.asked);
        let name = cleaned.rsplit('/').next().unwrap_or_default();
        if name.is_empty() {
            "/".to_owned()
        } else {
            name.to_owned()
        }
    }

    fn stat(&self) -> Result<PathStat, ContainerError> {
        let node = self.open()?;
        let wrong = |error: rustix::io::Errno| failed("stat", Path::new(&self.asked), error.into());
        let stat = rustix::fs::fstat(&node).map_err(wrong)?;
        let link_target = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            let target = rustix::fs::readlinkat(&node, "", Vec::new()).map_err(wrong)?;
            let target = String::from_utf8_lossy(target.to_bytes()).into_owned();
            // As an absolute path in the container.
            let base = clean(&self.asked);
            let base = base.rsplit_once('/').map_or("", |(dir, _)| dir);
            if target.starts_with('/') {
                clean(&target)
            } else {
                clean(&format!("{base}/{target}"))
            }
        } else {
            String::new()
        };
        Ok(PathStat {
            name: self.name(),
            size: stat.st_size,
            mode: go_mode(&stat),
            mtime: mtime(&stat),
            link_target,
        })
    }

    fn pack(&self, to: impl Write) -> Result<(), ContainerError> {
        let node = self.open()?;
        let wrong = |source| failed("archive", Path::new(&self.asked), source);
        let stat = rustix::fs::fstat(&node).map_err(|error| wrong(error.into()))?;
        let mut packer = Packer::new(to);
        let shown = PathBuf::from(self.name().trim_start_matches('/'));
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let dir = self.root.directory(&self.path).map_err(wrong)?;
            // `/dir/.` keeps its dot: the client unpacks the content, not the directory.
            let content = self.asked.ends_with("/.") || shown.as_os_str().is_empty();
            let shown = if content { PathBuf::from(".") } else { shown };
            packer.directory(&dir, &stat, &shown, 0).map_err(wrong)?;
        } else {
            let parent = self.path.parent().unwrap_or(Path::new("/"));
            let name = self.path.file_name().unwrap_or_default();
            let parent = self.root.directory(parent).map_err(wrong)?;
            packer.node(&parent, name, &shown, 0).map_err(wrong)?;
        }
        packer.finish().map_err(wrong)
    }
}

fn open_root(parts: &Parts, record: &Record) -> Result<Root, ContainerError> {
    let wrong = |source| failed("open the root of", Path::new(record.id.as_str()), source);
    if let Some(pid) = record.life.pid() {
        return Root::of_process(pid).map_err(wrong);
    }
    let rootfs =
        parts
            .images
            .adopt_rootfs(&record.id, record.chain.as_ref(), &parts.rw(&record.id))?;
    Root::of_layers(&rootfs).map_err(wrong)
}

/// Go's `os.FileMode`: permission bits, the kind in the high bits.
fn go_mode(stat: &Stat) -> u32 {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => 1 << 31,
        FileType::Symlink => 1 << 27,
        FileType::BlockDevice => 1 << 26,
        FileType::CharacterDevice => (1 << 26) | (1 << 21),
        FileType::Fifo => 1 << 25,
        FileType::Socket => 1 << 24,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)]
        .iter()
        .filter(|(bit, _)| stat.st_mode & bit != 0)
        .fold(0, |mode, (_, go)| mode | go);
    kind | special | (stat.st_mode & 0o777)
}

fn mtime(stat: &Stat) -> String {
    let nanos = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Timestamp::new(stat.st_mtime, nanos).map_or_else(|_| NEVER.to_owned(), |at| at.to_string())
}
