//! The sending side: tells a directory and serves what is asked for.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::vec::IntoIter;

use bytes::Bytes;
use rustix::fs::{FileType, OFlags, Stat as KernelStat};

use super::disk::{self, DiskError};
use super::{Packet, PacketType, Stat, mode};

/// How much of a file goes into a packet.
const PIECE_BYTES: usize = 32 << 10;

/// Why a tree was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A name is no text: the protocol has none for it.
    #[error("{0:?} cannot be sent: its name is not UTF-8")]
    Name(String),
    /// An entry that is no file was asked for, or there is none of that number, or one was asked for
    /// again and again.
    #[error("the client asked for entry {0}, which has no contents")]
    Asked(u32),
    /// A packet that only senders send.
    #[error("the client sent a packet out of turn")]
    Turn,
    /// The receiver gave up.
    #[error("{0}")]
    Told(String),
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Contents could not be read.
    #[error("read {path:?}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

/// A tree on its way.
#[derive(Debug)]
pub struct Sender {
    root: OwnedFd,
    levels: Vec<Level>,
    /// The path of each entry that has contents; taken away when it is asked for.
    files: Vec<Option<String>>,
    /// Where the first name of a file with several was told.
    names: HashMap<(u64, u64), String>,
    asked: VecDeque<(u32, String)>,
    current: Option<(u32, String, File)>,
    phase: Phase,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Telling,
    Serving,
    Finishing,
    Finished,
}

#[derive(Debug)]
struct Level {
    path: String,
    directory: OwnedFd,
    names: IntoIter<Vec<u8>>,
}

impl Sender {
    /// Sends what is in a directory.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(root: OwnedFd) -> Result<Self, SendError> {
        let level = level(root.as_fd(), String::new())?;
        Ok(Self {
            root,
            levels: vec![level],
            files: Vec::new(),
            names: HashMap::new(),
            asked: VecDeque::new(),
            current: None,
            phase: Phase::Telling,
        })
    }

    /// Whether both sides have said so.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Takes a packet of the receiver.
    ///
    /// # Errors
    /// The receiver breaks the protocol or gave up.
    pub fn take(&mut self, packet: &Packet) -> Result<(), SendError> {
        match PacketType::try_from(packet.r#type) {
            Ok(PacketType::PacketReq) => {
                let place = usize::try_from(packet.id).ok();
                let file = place.and_then(|place| self.files.get_mut(place));
                let path = file.and_then(Option::take);
                let path = path.ok_or(SendError::Asked(packet.id))?;
                self.asked.push_back((packet.id, path));
                Ok(())
            }
            Ok(PacketType::PacketFin) => {
                self.phase = Phase::Finishing;
                Ok(())
            }
            Ok(PacketType::PacketErr) => {
                let text = String::from_utf8_lossy(&packet.data);
                Err(SendError::Told(text.into_owned()))
            }
            Ok(PacketType::PacketStat | PacketType::PacketData) | Err(_) => Err(SendError::Turn),
        }
    }

    /// The next packet to send; none while there is nothing to do until the receiver asks.
    ///
    /// # Errors
    /// The disk refused.
    pub fn produce(&mut self) -> Result<Option<Packet>, SendError> {
        match self.phase {
            Phase::Finished => Ok(None),
            Phase::Finishing => {
                self.phase = Phase::Finished;
                Ok(Some(packet_of(PacketType::PacketFin)))
            }
            Phase::Telling => {
                let stat = self.entry()?;
                if stat.is_none() {
                    self.phase = Phase::Serving;
                }
                Ok(Some(Packet {
                    stat,
                    ..packet_of(PacketType::PacketStat)
                }))
            }
            Phase::Serving => self.piece(),
        }
    }

    fn entry(&mut self) -> Result<Option<Stat>, SendError> {
        loop {
            let Some(level) = self.levels.last_mut() else {
                return Ok(None);
            };
            let Some(name) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            let name = String::from_utf8(name).map_err(|error| {
                SendError::Name(String::from_utf8_lossy(error.as_bytes()).into_owned())
            })?;
            let path = if level.path.is_empty() {
                name.clone()
            } else {
                format!("{}/{name}", level.path)
            };
            let Some(there) = disk::look(level.directory.as_fd(), &name)? else {
                continue;
            };
            let mut stat = stat_of(path, &there);
            if disk::is(&there, FileType::Directory) {
                let directory = disk::directory(level.directory.as_fd(), &name)?;
                let inner = self::level(directory.as_fd(), stat.path.clone())?;
                self.levels.push(inner);
            } else if disk::is(&there, FileType::Symlink) {
                let target =
                    rustix::fs::readlinkat(level.directory.as_fd(), name.as_str(), Vec::new())
                        .map_err(DiskError::of("read", &stat.path))?;
                stat.linkname = target.to_string_lossy().into_owned();
            } else if there.st_nlink > 1 {
                let first = self
                    .names
                    .entry((there.st_dev, there.st_ino))
                    .or_insert_with(|| stat.path.clone());
                if *first != stat.path {
                    stat.linkname.clone_from(first);
                }
            }
            let is_file = disk::is(&there, FileType::RegularFile) && stat.linkname.is_empty();
            self.files.push(is_file.then(|| stat.path.clone()));
            return Ok(Some(stat));
        }
    }

    fn piece(&mut self) -> Result<Option<Packet>, SendError> {
        if self.current.is_none() {
            let Some((number, path)) = self.asked.pop_front() else {
                return Ok(None);
            };
            let file = disk::open(self.root.as_fd(), &path, OFlags::RDONLY | OFlags::NONBLOCK)?;
            self.current = Some((number, path, file.into()));
        }
        let (number, path, file) = self.current.as_mut().expect("set just now");
        let mut buffer = vec![0; PIECE_BYTES];
        let length = file.read(&mut buffer).map_err(|error| SendError::Read {
            path: path.clone(),
            error,
        })?;
        buffer.truncate(length);
        let packet = Packet {
            id: *number,
            data: Bytes::from(buffer),
            ..packet_of(PacketType::PacketData)
        };
        if length == 0 {
            self.current = None;
        }
        Ok(Some(packet))
    }
}

fn packet_of(kind: PacketType) -> Packet {
    Packet {
        r#type: kind.into(),
        ..Packet::default()
    }
}

fn level(directory: std::os::fd::BorrowedFd<'_>, path: String) -> Result<Level, DiskError> {
    let directory = disk::open(directory, "", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let names = disk::names(directory.as_fd())?.into_iter();
    Ok(Level {
        path,
        directory,
        names,
    })
}

fn stat_of(path: String, there: &KernelStat) -> Stat {
    let has_size = disk::is(there, FileType::RegularFile);
    Stat {
        path,
        mode: mode::from_kernel(there.st_mode),
        uid: there.st_uid,
        gid: there.st_gid,
        size: if has_size { there.st_size } else { 0 },
        mod_time: disk::modified_ns(there),
        devmajor: i64::from(rustix::fs::major(there.st_rdev)),
        devminor: i64::from(rustix::fs::minor(there.st_rdev)),
        ..Stat::default()
    }
}
