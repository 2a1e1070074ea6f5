//! Modes as Go writes them (`io/fs.FileMode`): not the kernel's bits.

const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const FIFO: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHARACTER: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, or a further name of one.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A device of blocks or characters.
    Device,
    /// A socket.
    Socket,
}

/// What a mode says the entry is.
pub(crate) const fn kind(mode: u32) -> Kind {
    if mode & DIRECTORY != 0 {
        Kind::Directory
    } else if mode & SYMLINK != 0 {
        Kind::Symlink
    } else if mode & DEVICE != 0 {
        Kind::Device
    } else if mode & FIFO != 0 {
        Kind::Fifo
    } else if mode & SOCKET != 0 {
        Kind::Socket
    } else {
        Kind::File
    }
}

/// The kernel's permission bits of a mode, 0–0o7777.
pub(crate) const fn permissions(mode: u32) -> u32 {
    let mut bits = mode & 0o777;
    if mode & SETUID != 0 {
        bits |= 0o4000;
    }
    if mode & SETGID != 0 {
        bits |= 0o2000;
    }
    if mode & STICKY != 0 {
        bits |= 0o1000;
    }
    bits
}

/// Go's mode of a kernel's one (`st_mode`).
pub(crate) const fn from_kernel(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => DIRECTORY,
        0o120_000 => SYMLINK,
        0o060_000 => DEVICE,
        0o020_000 => DEVICE | CHARACTER,
        0o010_000 => FIFO,
        0o140_000 => SOCKET,
        _ => 0,
    };
    let mut bits = kind | (mode & 0o777);
    if mode & 0o4000 != 0 {
        bits |= SETUID;
    }
    if mode & 0o2000 != 0 {
        bits |= SETGID;
    }
    if mode & 0o1000 != 0 {
        bits |= STICKY;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_go_there_and_back() {
        for (kernel, expected) in [
            (0o100_644, Kind::File),
            (0o104_755, Kind::File),
            (0o041_777, Kind::Directory),
            (0o120_777, Kind::Symlink),
            (0o010_600, Kind::Fifo),
            (0o020_600, Kind::Device),
            (0o060_600, Kind::Device),
            (0o140_600, Kind::Socket),
        ] {
            let go = from_kernel(kernel);
            assert_eq!(kind(go), expected, "{kernel:o}");
            assert_eq!(permissions(go), kernel & 0o7777, "{kernel:o}");
        }
    }

    #[test]
    fn recorded_modes_are_read() {
        // As buildx sent them for a directory 0755, a link and a file 0644.
        assert_eq!(kind(2_147_484_141), Kind::Directory);
        assert_eq!(permissions(2_147_484_141), 0o755);
        assert_eq!(kind(134_218_239), Kind::Symlink);
        assert_eq!(kind(420), Kind::File);
        assert_eq!(permissions(420), 0o644);
    }
}
