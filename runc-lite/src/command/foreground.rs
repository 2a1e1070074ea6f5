//! Waiting for a process that was not detached: signals go to it, its exit code comes back.

use std::os::fd::{AsFd, OwnedFd};

use gantry_linux::signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::command::tty::Terminal;
use crate::error::RunError;
use crate::launch::Launched;

pub(crate) use crate::command::tty::Console;

const SIGCHLD: i32 = 17;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;

/// Blocks all signals, so that none is lost before there is a process to send it to.
pub(crate) fn take_signals() -> Result<OwnedFd, RunError> {
    signal::all_as_descriptor().map_err(|source| RunError::Io {
        step: "signalfd",
        source,
    })
}

/// Waits; the process's code, 128 and the signal's number if one killed it.
pub(crate) fn wait(
    launched: &Launched,
    signals: &OwnedFd,
    console: Option<Console>,
) -> Result<u8, RunError> {
    let mut terminal = console.map(Terminal::attach).transpose()?;
    loop {
        let mut polled = vec![
            PollFd::new(&launched.pidfd, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        if let Some(terminal) = &terminal {
            terminal.add_to(&mut polled);
        }
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.map_err(|source| RunError::Wait(source.into()))?,
        };
        let ready: Vec<PollFlags> = polled.iter().map(PollFd::revents).collect();
        drop(polled);
        if let Some(terminal) = &mut terminal {
            terminal.copy(&ready[2..]);
        }
        if !ready[1].is_empty() {
            forward(signals, launched, terminal.as_ref())?;
        }
        if !ready[0].is_empty() {
            if let Some(terminal) = &mut terminal {
                terminal.drain();
            }
            return exit_code(launched);
        }
    }
}

fn forward(
    signals: &OwnedFd,
    launched: &Launched,
    terminal: Option<&Terminal>,
) -> Result<(), RunError> {
    let take = || signal::take(signals.as_fd());
    while let Some(number) = take().map_err(|source| RunError::Io {
        step: "signalfd",
        source,
    })? {
        match number {
            SIGWINCH if terminal.is_some() => terminal.into_iter().for_each(Terminal::resize),
            SIGCHLD | SIGURG | SIGTTIN | SIGTTOU => {}
            // Gone in the meantime: its exit is seen next.
            number => drop(signal::send(launched.pidfd.as_fd(), number)),
        }
    }
    Ok(())
}

fn exit_code(launched: &Launched) -> Result<u8, RunError> {
    let status = waitid(WaitId::PidFd(launched.pidfd.as_fd()), WaitIdOptions::EXITED)
        .map_err(|source| RunError::Wait(source.into()))?;
    let Some(status) = status else { return Ok(255) };
    let code = match status.terminating_signal() {
        Some(signal) => 128 + signal,
        None => status.exit_status().unwrap_or(255),
    };
    Ok(u8::try_from(code & 0xff).unwrap_or(255))
}
