//! Unix socket addresses for paths of any length: `sun_path` holds 108 bytes (`unix(7)`), so a longer
//! path is reached through a descriptor of its folder under `/proc/self/fd`.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

const SUN_PATH_LEN: usize = 108;

/// An address, and the folder's descriptor that must stay open while the address is used.
pub(crate) struct Address {
    pub(crate) unix: SocketAddrUnix,
    _folder: Option<OwnedFd>,
}

pub(crate) fn address(path: &Path) -> Result<Address, Errno> {
    if path.as_os_str().as_bytes().len() < SUN_PATH_LEN {
        return Ok(Address {
            unix: SocketAddrUnix::new(path)?,
            _folder: None,
        });
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::NAMETOOLONG);
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
    Ok(Address {
        unix: SocketAddrUnix::new(short)?,
        _folder: Some(folder),
    })
}
