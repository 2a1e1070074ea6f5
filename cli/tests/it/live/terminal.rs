//! A program on a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(30);

/// The user's end of the terminal.
#[derive(Debug)]
pub(crate) struct Session {
    user: File,
    /// The program's end, kept to look at its settings.
    line: OwnedFd,
    child: Child,
    seen: String,
}

impl Session {
    /// Runs a program on a new terminal of this many rows and columns.
    pub(crate) fn spawn(mut command: Command, (rows, columns): (u16, u16)) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let name = ptsname(&user, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&line, size).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        let child = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self {
            user: File::from(user),
            line,
            child,
            seen: String::new(),
        }
    }

    pub(crate) fn write(&mut self, keys: &str) {
        self.user.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads on until `text` was shown.
    pub(crate) fn read_until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            assert!(Instant::now() < deadline, "no {text:?} in {:?}", self.seen);
            let mut wanted = [PollFd::new(&self.user, PollFlags::IN)];
            let slice = Timespec {
                tv_sec: 0,
                tv_nsec: 100_000_000,
            };
            if poll(&mut wanted, Some(&slice)).unwrap() > 0 {
                let mut buffer = [0; 4096];
                let read = self.user.read(&mut buffer).unwrap();
                self.seen
                    .push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        }
    }

    /// Whether keys are passed on one by one and unseen.
    pub(crate) fn is_raw(&self) -> bool {
        let settings = tcgetattr(&self.line).unwrap();
        !settings
            .local_modes
            .intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}
