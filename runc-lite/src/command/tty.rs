//! The caller's terminal and the container's, joined.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::termios::{OptionalActions, Termios};

use crate::error::RunError;

/// What is taken at once; also how far one side may run ahead of the other.
const CHUNK: usize = 16 << 10;

/// The master of a container's pseudoterminal.
#[derive(Debug)]
pub(crate) struct Console(OwnedFd);

impl Console {
    /// Takes the master from the socket that the process was told to send it to.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the socket is of no use afterwards"
    )]
    pub(crate) fn receive(socket: OwnedFd) -> Result<Self, RunError> {
        let failed = |source: std::io::Error| RunError::Io {
            step: "receive the terminal",
            source,
        };
        let mut text = [0; 256];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut text)],
            &mut control,
            flags,
        )
        .map_err(|source| failed(source.into()))?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(mut descriptors) = message
                && let Some(master) = descriptors.next()
            {
                return Ok(Self(master));
            }
        }
        Err(failed(std::io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Both terminals while they are joined; the caller's is raw until this is dropped.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: OwnedFd,
    saved: Option<Termios>,
    stdin_open: bool,
    to_master: VecDeque<u8>,
}

impl Terminal {
    /// Joins them.
    pub(crate) fn attach(console: Console) -> Result<Self, RunError> {
        let failed = |source: Errno| RunError::Io {
            step: "terminal",
            source: source.into(),
        };
        let Console(master) = console;
        rustix::fs::fcntl_setfl(&master, OFlags::NONBLOCK).map_err(failed)?;
        let stdin = rustix::stdio::stdin();
        let saved = rustix::termios::tcgetattr(stdin).ok();
        if let Some(saved) = &saved {
            let mut raw = saved.clone();
            raw.make_raw();
            rustix::termios::tcsetattr(stdin, OptionalActions::Now, &raw).map_err(failed)?;
        }
        let terminal = Self {
            master,
            saved,
            stdin_open: true,
            to_master: VecDeque::new(),
        };
        terminal.resize();
        Ok(terminal)
    }

    /// Gives the container's terminal the size of the caller's.
    pub(crate) fn resize(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin()) {
            let _not_a_terminal = rustix::termios::tcsetwinsize(&self.master, size);
        }
    }

    /// What to wait for: the master, then stdin.
    pub(crate) fn add_to<'a>(&'a self, polled: &mut Vec<PollFd<'a>>) {
        let mut wanted = PollFlags::IN;
        wanted.set(PollFlags::OUT, !self.to_master.is_empty());
        polled.push(PollFd::new(&self.master, wanted));
        if self.stdin_open && self.to_master.len() < CHUNK {
            let stdin = rustix::stdio::stdin();
            polled.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
        }
    }

    /// Moves what is ready.
    pub(crate) fn copy(&mut self, ready: &[PollFlags]) {
        if ready
            .first()
            .is_some_and(|flags| flags.contains(PollFlags::IN))
        {
            self.output();
        }
        if ready.get(1).is_some_and(|flags| !flags.is_empty()) {
            self.input();
        }
        while !self.to_master.is_empty() {
            match rustix::io::write(&self.master, self.to_master.as_slices().0) {
                Ok(written) => drop(self.to_master.drain(..written)),
                Err(_) => break,
            }
        }
    }

    /// Shows what the process wrote before it ended.
    pub(crate) fn drain(&mut self) {
        while self.output() {}
    }

    fn output(&mut self) -> bool {
        let mut buffer = [0; CHUNK];
        match rustix::io::read(&self.master, &mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                let mut rest = &buffer[..read];
                while let Ok(written) = rustix::io::write(rustix::stdio::stdout(), rest) {
                    rest = &rest[written..];
                    if rest.is_empty() {
                        break;
                    }
                }
                true
            }
        }
    }

    fn input(&mut self) {
        let mut buffer = [0; CHUNK];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) | Err(_) => self.stdin_open = false,
            Ok(read) => self.to_master.extend(&buffer[..read]),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(saved) = &self.saved {
            let stdin = rustix::stdio::stdin();
            let _gone = rustix::termios::tcsetattr(stdin, OptionalActions::Now, saved);
        }
    }
}
