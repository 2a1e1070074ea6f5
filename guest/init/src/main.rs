//! The tiny init that `run --init` puts in front of the container's program: process 1, that starts
//! the program, passes every signal on to it, reaps whatever is left to it, and ends with the
//! program's code (128 and the signal's number if one killed it).
//!
//! `gantry-init [--version] [--] PROGRAM [ARGUMENT…]`. What cannot be run gives 126, what is not
//! there 127, as a shell has it. It has no options of its own beyond that, reads no environment but
//! `PATH`, and does nothing when it is not process 1 that it would not do as process 1.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use gantry_linux::clone::Child;
use gantry_linux::fork::fork;
use gantry_linux::signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, wait};

const USAGE: u8 = 1;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "--version") {
        println!("gantry-init version {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    arguments.next_if(|first| first == "--");
    let command: Vec<OsString> = arguments.collect();
    match command.first() {
        Some(program) if !program.as_bytes().starts_with(b"-") => {}
        Some(option) => return fail(USAGE, &format!("unknown option {option:?}")),
        None => {
            return fail(
                USAGE,
                "usage: gantry-init [--version] [--] PROGRAM [ARGUMENT…]",
            );
        }
    }
    match run(&command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(USAGE, &error.to_string()),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "gantry-init: {message}");
    ExitCode::from(code)
}

/// Runs the command to its end.
fn run(command: &[OsString]) -> io::Result<u8> {
    // Before the fork, so that no signal is missed between it and the first look.
    let signals = signal::all_as_descriptor()?;
    let child = fork(|| become_program(command))?;
    loop {
        let mut ready = [PollFd::new(&signals, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        forward_all(&signals, &child)?;
        if let Some(code) = reap(child.pid) {
            return Ok(code);
        }
    }
}

/// Passes on what has arrived. The program may have ended, which the next look at it tells.
fn forward_all(signals: &OwnedFd, child: &Child) -> io::Result<()> {
    while let Some(number) = signal::take(signals.as_fd())? {
        if number != Signal::CHILD.as_raw() {
            let _ = signal::send(child.pidfd.as_fd(), number);
        }
    }
    Ok(())
}

/// Takes every child that has ended; the program's code if it was among them.
fn reap(program: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == program {
            code = Some(exit_code(status));
        }
    }
    code
}

fn exit_code(status: WaitStatus) -> u8 {
    let signalled = || status.terminating_signal().map(|number| 128 + number);
    let code = status.exit_status().or_else(signalled).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

/// In the child: a process group of its own in the foreground of the terminal, if there is one, and
/// signals as a program expects them. Returns only if the program cannot be run.
fn become_program(command: &[OsString]) -> u8 {
    let _ = rustix::process::setpgid(None, None);
    if io::stdin().is_terminal() {
        // All signals are still blocked, so that this does not stop us with SIGTTOU.
        let _ = rustix::termios::tcsetpgrp(io::stdin(), rustix::process::getpid());
    }
    signal::reset();
    let error = Command::new(&command[0]).args(&command[1..]).exec();
    let _ = writeln!(
        io::stderr(),
        "gantry-init: exec {}: {error}",
        command[0].display()
    );
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    }
}
