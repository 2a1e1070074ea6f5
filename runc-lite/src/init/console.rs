//! The terminal.
//!
//! The pseudoterminal comes from the container's own devpts, so that its name means something there.
//! The slave is got from the master by `TIOCGPTPEER`, and `/dev/console` is a mount of that very file:
//! no path in the container is trusted (CVE-2025-52565).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::init::mounts::{attach, clone_at};
use crate::init::{Init, InitError, resolve};
use crate::launch::send_descriptor;

/// `statfs` magic of devpts.
const DEVPTS_MAGIC: u64 = 0x1cd1;

impl Init<'_> {
    /// Opens a pseudoterminal in the container that is being made, and mounts `/dev/console`.
    pub(crate) fn open_console(&mut self) -> Result<(), InitError> {
        let root = self
            .root()?
            .try_clone_to_owned()
            .map_err(|e| failed("root", e))?;
        let slave = self.open_terminal(root.as_fd())?;
        let target = resolve::make_file(root.as_fd(), Path::new("/dev/console"))
            .map_err(|source| failed("create /dev/console", source))?;
        let tree = clone_at(slave.as_fd(), false).map_err(|e| failed("clone the terminal", e))?;
        attach(tree.as_fd(), target.as_fd()).map_err(|e| failed("mount /dev/console", e))
    }

    /// Opens a pseudoterminal in a container that runs.
    pub(crate) fn open_console_of_running(&mut self) -> Result<(), InitError> {
        let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|source| failed("open the root", source.into()))?;
        self.open_terminal(root.as_fd()).map(drop)
    }

    /// The slave, already this process's stdio and controlling terminal; the master is on its way to
    /// whoever asked for the terminal.
    fn open_terminal(&mut self, root: BorrowedFd<'_>) -> Result<OwnedFd, InitError> {
        let master = open_master(root).map_err(|source| failed("open /dev/pts/ptmx", source))?;
        rustix::pty::unlockpt(&master).map_err(|e| failed("unlock", e.into()))?;
        let name = rustix::pty::ptsname(&master, Vec::new())
            .map_err(|e| failed("name of the terminal", e.into()))?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)
            .map_err(|e| failed("open the slave", e.into()))?;
        if let Some(size) = self.terminal.and_then(|terminal| terminal.size) {
            let size = Winsize {
                ws_row: size.height,
                ws_col: size.width,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            rustix::termios::tcsetwinsize(&master, size)
                .map_err(|e| failed("set size", e.into()))?;
        }
        if self.uid != 0 {
            let owner = Some(Uid::from_raw(self.uid));
            rustix::fs::fchown(&slave, owner, None::<Gid>)
                .map_err(|e| failed("chown", e.into()))?;
        }
        if let Some(socket) = self.console_socket {
            send_descriptor(socket, master.as_fd(), name.as_bytes())
                .map_err(|source| failed("send the master", source))?;
        }
        rustix::process::ioctl_tiocsctty(&slave)
            .map_err(|e| failed("make it the controlling terminal", e.into()))?;
        let become_stdio = || -> rustix::io::Result<()> {
            rustix::stdio::dup2_stdin(&slave)?;
            rustix::stdio::dup2_stdout(&slave)?;
            rustix::stdio::dup2_stderr(&slave)
        };
        become_stdio().map_err(|e| failed("make it stdio", e.into()))?;
        Ok(slave)
    }
}

/// Opens the container's ptmx without following links, and checks that it is a devpts's.
fn open_master(root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = "dev/pts/ptmx";
    let look = rustix::fs::openat2(
        root,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?;
    if u64::try_from(rustix::fs::fstatfs(&look)?.f_type).ok() != Some(DEVPTS_MAGIC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "/dev/pts is not a devpts",
        ));
    }
    Ok(rustix::fs::openat2(
        root,
        path,
        flags,
        Mode::empty(),
        resolve,
    )?)
}

fn failed(step: &'static str, source: io::Error) -> InitError {
    InitError::Console { step, source }
}
