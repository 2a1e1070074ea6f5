//! Files of `/proc`, through the host's own.
//!
//! The descriptor is taken before any mount of the container exists, and is checked to be a procfs;
//! the paths below it are followed without links. So nothing that an image or another container puts
//! in the way can turn a write to `/proc` into one elsewhere (CVE-2025-52881). Sysctls and `self` in
//! the host's procfs are those of the process that asks, so it serves for these too.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::init::InitError;

const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// The host's `/proc`.
#[derive(Debug)]
pub(crate) struct Proc(OwnedFd);

impl Proc {
    /// Opens and checks it.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open("/proc", flags, Mode::empty())?;
        let magic = rustix::fs::fstatfs(&directory)?.f_type;
        if u64::try_from(magic).ok() != Some(PROC_SUPER_MAGIC) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc is not a procfs",
            ));
        }
        Ok(Self(directory))
    }

    /// The directory itself.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The process's number on the host.
    pub(crate) fn own_pid(&self) -> io::Result<i32> {
        let own = rustix::fs::readlinkat(&self.0, "self", Vec::new())?;
        let own = own.into_string().map_err(|_| io::ErrorKind::InvalidData)?;
        own.parse().map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Opens a file for writing; nothing may be mounted over it and no link may be in the way.
    fn open_for_writing(&self, path: &Path) -> io::Result<File> {
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_XDEV;
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(&self.0, path, flags, Mode::empty(), resolve)?;
        Ok(File::from(file))
    }

    /// A file of the process itself; `/proc/self` is a link, so its target is named.
    fn write_own(&self, name: &str, value: &str) -> io::Result<()> {
        let path = PathBuf::from(format!("{}/{name}", self.own_pid()?));
        self.open_for_writing(&path)?.write_all(value.as_bytes())
    }

    /// Sets a sysctl.
    pub(crate) fn sysctl(&self, path: &Path, value: &str) -> Result<(), InitError> {
        let mut file = self
            .open_for_writing(&Path::new("sys").join(path))
            .map_err(|source| InitError::Sysctl {
                path: path.to_owned(),
                source,
            })?;
        file.write_all(value.as_bytes())
            .map_err(|source| InitError::SysctlValue {
                path: path.to_owned(),
                value: value.to_owned(),
                source,
            })
    }

    /// Sets how likely the kernel picks the process when memory runs out.
    pub(crate) fn oom_score(&self, score: i32) -> Result<(), InitError> {
        self.write_own("oom_score_adj", &score.to_string())
            .map_err(InitError::OomScore)
    }

    /// Sets the security module's label for the program to come.
    pub(crate) fn security_label(&self, label: &str) -> Result<(), InitError> {
        // AppArmor has its own directory since Linux 5.8; the shared file is SELinux's.
        let apparmor = label.starts_with("exec ");
        let result = if apparmor {
            self.write_own("attr/apparmor/exec", label)
                .or_else(|_| self.write_own("attr/exec", label))
        } else {
            self.write_own("attr/exec", label)
        };
        result.map_err(|source| InitError::SecurityLabel {
            label: label.to_owned(),
            source,
        })
    }
}
