//! The receiving side: makes a directory equal to what the sender tells.
//!
//! What an earlier transfer left in the directory is used: a file of the same size, time and mode is
//! not asked for. What is not told is removed. The directory's own mode and time stay.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use prost::Message;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat as KernelStat};

use super::disk::{self, DiskError};
use super::entry;
use super::mode::{self, Kind};
use super::path::check;
use super::refuse::ReceiveError;
use super::{Packet, PacketType, Stat};

/// How many entries a tree may have.
pub const ENTRIES_MAX: u32 = 4_000_000;

/// How many bytes of files a transfer may bring: more is no build context, but a full disk.
pub const CONTENT_BYTES_MAX: u64 = 256 << 30;

/// How many files may be half received at once. Senders serve four at a time.
pub(super) const OPEN_FILES_MAX: usize = 64;

/// What was received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Entries told.
    pub entries: u32,
    /// Files asked for.
    pub asked: u32,
    /// Entries made, replaced and removed.
    pub changes: u32,
    /// Bytes of all packets.
    pub bytes: u64,
}

/// A tree on its way.
#[derive(Debug)]
pub struct Receiver {
    root: OwnedFd,
    levels: Vec<Level>,
    last: String,
    asked: HashMap<u32, Stat>,
    open: HashMap<u32, (File, Stat)>,
    links: Vec<Stat>,
    directories: Vec<Stat>,
    is_told: bool,
    is_finished: bool,
    received: Received,
    /// Bytes of files that are on their way, or may be.
    content_bytes: u64,
    content_bytes_max: u64,
}

/// A directory whose entries are being told.
#[derive(Debug)]
struct Level {
    path: String,
    directory: OwnedFd,
    /// Names an earlier transfer left, and this one has not told.
    left: BTreeSet<Vec<u8>>,
}

impl Receiver {
    /// Receives into a directory.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(root: OwnedFd) -> Result<Self, ReceiveError> {
        let directory = disk::open(root.as_fd(), "", OFlags::RDONLY | OFlags::DIRECTORY)?;
        let left = disk::names(directory.as_fd())?.into_iter().collect();
        let level = Level {
            path: String::new(),
            directory,
            left,
        };
        Ok(Self {
            root,
            levels: vec![level],
            last: String::new(),
            asked: HashMap::new(),
            open: HashMap::new(),
            links: Vec::new(),
            directories: Vec::new(),
            is_told: false,
            is_finished: false,
            received: Received::default(),
            content_bytes: 0,
            content_bytes_max: CONTENT_BYTES_MAX,
        })
    }

    /// Takes so many bytes of files at most.
    #[must_use]
    pub const fn limited_to(mut self, content_bytes_max: u64) -> Self {
        self.content_bytes_max = content_bytes_max;
        self
    }

    /// Counts bytes of files.
    fn count(&mut self, bytes: u64) -> Result<(), ReceiveError> {
        self.content_bytes = self.content_bytes.saturating_add(bytes);
        if self.content_bytes > self.content_bytes_max {
            return Err(ReceiveError::Contents(self.content_bytes_max));
        }
        Ok(())
    }

    /// How far it is.
    #[must_use]
    pub const fn received(&self) -> Received {
        self.received
    }

    /// Takes a packet; `answer` is called with those to send back. True once all is there and the
    /// sender knows.
    ///
    /// # Errors
    /// The sender breaks the protocol or gave up, or the disk refused: the transfer is over.
    pub fn take(
        &mut self,
        packet: Packet,
        answer: &mut dyn FnMut(Packet),
    ) -> Result<bool, ReceiveError> {
        self.received.bytes += u64::try_from(packet.encoded_len()).unwrap_or(u64::MAX);
        match PacketType::try_from(packet.r#type) {
            Ok(PacketType::PacketStat) => match packet.stat {
                Some(stat) => self.entry(stat, answer)?,
                None => self.end_of_list()?,
            },
            Ok(PacketType::PacketData) => self.contents(packet.id, &packet.data)?,
            Ok(PacketType::PacketErr) => {
                return Err(ReceiveError::Told(
                    String::from_utf8_lossy(&packet.data).into_owned(),
                ));
            }
            Ok(PacketType::PacketFin) if self.is_finished => return Ok(true),
            Ok(PacketType::PacketFin | PacketType::PacketReq) | Err(_) => {
                return Err(ReceiveError::Turn);
            }
        }
        let has_all = self.is_told && self.asked.is_empty() && self.open.is_empty();
        if has_all && !self.is_finished {
            self.finish()?;
            answer(packet_of(PacketType::PacketFin, 0));
        }
        Ok(false)
    }

    fn entry(&mut self, stat: Stat, answer: &mut dyn FnMut(Packet)) -> Result<(), ReceiveError> {
        if self.is_told {
            return Err(ReceiveError::Turn);
        }
        let number = self.received.entries;
        if number >= ENTRIES_MAX {
            return Err(ReceiveError::Entries);
        }
        self.received.entries += 1;
        check(&stat.path)?;
        self.descend(&stat.path)?;
        let level = self.levels.last_mut().expect("the root is never left");
        let name = stat
            .path
            .rsplit('/')
            .next()
            .unwrap_or(&stat.path)
            .to_owned();
        level.left.remove(name.as_bytes());
        let directory = level.directory.as_fd();
        let there = disk::look(directory, &name)?;
        match mode::kind(stat.mode) {
            Kind::Directory => self.directory(stat, &name, there.as_ref())?,
            Kind::Symlink => {
                let is_made = entry::symlink(directory, &name, there.as_ref(), &stat)?;
                self.received.changes += u32::from(is_made);
            }
            Kind::Fifo => {
                self.received.changes += 1;
                entry::fifo(directory, &name, &stat)?;
            }
            // Nobody can connect to a socket that was copied; senders leave them out as well.
            Kind::Socket => disk::remove(directory, name.as_bytes())?,
            Kind::Device => return Err(ReceiveError::Device(stat.path)),
            Kind::File if !stat.linkname.is_empty() => {
                check(&stat.linkname)?;
                disk::remove(directory, name.as_bytes())?;
                self.received.changes += 1;
                self.links.push(stat);
            }
            Kind::File if entry::keeps(there.as_ref(), &stat) => {}
            Kind::File => {
                disk::remove(directory, name.as_bytes())?;
                // What is told counts before anything of it is written; what comes beyond it, then.
                self.count(u64::try_from(stat.size).unwrap_or(0))?;
                self.received.asked += 1;
                self.received.changes += 1;
                self.asked.insert(number, stat);
                answer(packet_of(PacketType::PacketReq, number));
            }
        }
        Ok(())
    }

    /// Leaves directories until the path's own is the innermost.
    fn descend(&mut self, path: &str) -> Result<(), ReceiveError> {
        let order = || ReceiveError::Order {
            path: path.to_owned(),
            last: self.last.clone(),
        };
        if !path.split('/').gt(self.last.split('/')) {
            return Err(order());
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        while self.levels.last().is_some_and(|level| level.path != parent) {
            if self.levels.len() == 1 {
                return Err(order());
            }
            let level = self.levels.pop().expect("there are two");
            self.received.changes += sweep(&level)?;
        }
        path.clone_into(&mut self.last);
        Ok(())
    }

    fn directory(
        &mut self,
        stat: Stat,
        name: &str,
        there: Option<&KernelStat>,
    ) -> Result<(), ReceiveError> {
        let parent = self.levels.last().expect("the root is never left");
        let parent = parent.directory.as_fd();
        let is_there = there.is_some_and(|there| disk::is(there, FileType::Directory));
        if !is_there {
            self.received.changes += 1;
            disk::remove(parent, name.as_bytes())?;
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))
                .map_err(DiskError::of("make", &stat.path))?;
        }
        let directory = disk::directory(parent, name)?;
        let left = if is_there {
            disk::names(directory.as_fd())?.into_iter().collect()
        } else {
            BTreeSet::new()
        };
        self.levels.push(Level {
            path: stat.path.clone(),
            directory,
            left,
        });
        self.directories.push(stat);
        Ok(())
    }

    fn end_of_list(&mut self) -> Result<(), ReceiveError> {
        if self.is_told {
            return Err(ReceiveError::Turn);
        }
        self.is_told = true;
        while let Some(level) = self.levels.pop() {
            self.received.changes += sweep(&level)?;
        }
        Ok(())
    }

    fn contents(&mut self, number: u32, data: &[u8]) -> Result<(), ReceiveError> {
        if let Some(stat) = self.asked.remove(&number) {
            if self.open.len() >= OPEN_FILES_MAX {
                return Err(ReceiveError::OpenFiles);
            }
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let file = disk::open(self.root.as_fd(), &stat.path, flags)?;
            self.open.insert(number, (file.into(), stat));
        }
        if data.is_empty() {
            let (file, stat) = self
                .open
                .remove(&number)
                .ok_or(ReceiveError::Unasked(number))?;
            return Ok(disk::finish(&file, &stat.path, &stat)?);
        }
        let (file, stat) = self
            .open
            .get_mut(&number)
            .ok_or(ReceiveError::Unasked(number))?;
        file.write_all(data).map_err(|error| ReceiveError::Write {
            path: stat.path.clone(),
            error,
        })?;
        // A file that grew while it was sent.
        let length = i64::try_from(data.len()).unwrap_or(i64::MAX);
        let beyond = u64::try_from(length.saturating_sub(stat.size.max(0))).unwrap_or(0);
        stat.size = stat.size.saturating_sub(length).max(0);
        self.count(beyond)
    }

    /// All contents are there: further names of files, then modes and times of directories, the
    /// inner ones first.
    fn finish(&mut self) -> Result<(), ReceiveError> {
        self.is_finished = true;
        for link in std::mem::take(&mut self.links) {
            self.link(&link)?;
        }
        for stat in self.directories.drain(..).rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let directory = File::from(disk::open(self.root.as_fd(), &stat.path, flags)?);
            disk::finish(&directory, &stat.path, &stat)?;
        }
        Ok(())
    }

    fn link(&self, stat: &Stat) -> Result<(), ReceiveError> {
        let root = self.root.as_fd();
        let wrong = || ReceiveError::Link {
            path: stat.path.clone(),
            target: stat.linkname.clone(),
        };
        let (from, target) = disk::parent(root, &stat.linkname).map_err(|_| wrong())?;
        let there = disk::look(from.as_fd(), target)?;
        if !there.is_some_and(|there| disk::is(&there, FileType::RegularFile)) {
            return Err(wrong());
        }
        let (to, name) = disk::parent(root, &stat.path)?;
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(&from, target, &to, name, flags)
            .map_err(DiskError::of("link", &stat.path))?)
    }
}

fn packet_of(kind: PacketType, number: u32) -> Packet {
    Packet {
        r#type: kind.into(),
        id: number,
        ..Packet::default()
    }
}

/// Removes what this transfer did not tell.
fn sweep(level: &Level) -> Result<u32, DiskError> {
    for name in &level.left {
        disk::remove(level.directory.as_fd(), name)?;
    }
    Ok(u32::try_from(level.left.len()).unwrap_or(u32::MAX))
}
