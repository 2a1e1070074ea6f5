//! What the kernel tells of a unix socket beside its address.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `SIOCUNIXFILE` of `linux/un.h`.
const SIOCUNIXFILE: libc::c_ulong = 0x89E0;

/// The file a unix socket was bound to, as an `O_PATH` descriptor closed on exec: it is that file
/// still when its name has been changed or taken away. Needs `CAP_NET_ADMIN`.
///
/// # Errors
/// `ENOENT` for a socket that is not bound to a file, `EPERM`.
pub fn bound_file(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: the request takes no argument and writes nothing; a wrong descriptor is an error.
    let opened = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCUNIXFILE) };
    let number = RawFd::try_from(crate::check(opened.into())?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether the other end of a connected unix socket has taken all that was sent to it, or is gone
/// (`SIOCOUTQ`, which counts the memory of what was sent and not read). Of a TCP socket it would say
/// what the other machine has acknowledged.
///
/// # Errors
/// `ENOTTY` for what is no socket.
pub fn all_is_read(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one integer, which lives as long as the call.
    let told = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    crate::check(told.into())?;
    Ok(bytes == 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::{all_is_read, bound_file};

    #[test]
    fn what_was_sent_is_read_by_the_other_end_or_gone_with_it() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        assert!(all_is_read(near.as_fd()).unwrap());
        near.write_all(b"two").unwrap();
        assert!(!all_is_read(near.as_fd()).unwrap());
        far.read_exact(&mut [0; 3]).unwrap();
        assert!(all_is_read(near.as_fd()).unwrap());
        near.write_all(b"more").unwrap();
        drop(far);
        assert!(all_is_read(near.as_fd()).unwrap());
        let file = std::fs::File::open("/dev/null").unwrap();
        all_is_read(file.as_fd()).unwrap_err();
    }

    #[test]
    fn the_file_is_found_after_it_was_renamed() {
        let dir = std::env::temp_dir().join(format!("gantry-bound-file-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let (old, new) = (dir.join("old"), dir.join("new"));
        let listener = UnixListener::bind(&old).unwrap();
        std::fs::rename(&old, &new).unwrap();
        let file = std::fs::File::from(bound_file(listener.as_fd()).unwrap());
        assert_eq!(
            file.metadata().unwrap().ino(),
            std::fs::metadata(&new).unwrap().ino()
        );
        let unbound = UnixDatagram::unbound().unwrap();
        let error = bound_file(unbound.as_fd()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
