//! The runtime's process: started with its streams, listened to without blocking.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::stdio::ChildEnds;
use crate::watched::watch;

/// The most of a runtime's output that is kept, in bytes.
const OUTPUT_LIMIT: usize = 1024 * 1024;

/// What a verb gets for its streams.
#[derive(Debug)]
pub(super) enum Io {
    /// The new process inherits them.
    Process(ChildEnds),
    /// Something on stdin; what it says is kept.
    Talk(Vec<u8>),
}

/// Starts the command; returns its pid and the end of the pipe that it talks into, if it does.
pub(super) fn spawn(command: &mut Command, io: Io) -> io::Result<(u32, Option<OwnedFd>)> {
    match io {
        Io::Process(child) => {
            command
                .stdin(child.stdin)
                .stdout(child.stdout)
                .stderr(child.stderr);
            Ok((command.spawn()?.id(), None))
        }
        Io::Talk(input) => {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            if input.is_empty() {
                command.stdin(Stdio::null());
            } else {
                command.stdin(input_file(&input)?);
            }
            Ok((command.spawn()?.id(), Some(reader.into())))
        }
    }
}

/// A file in memory that holds `input`: unlike a pipe it never makes the writer wait.
fn input_file(input: &[u8]) -> io::Result<std::fs::File> {
    let fd = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(input)?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// What the child says until it closes its end.
pub(super) async fn collect(output: Option<OwnedFd>) -> Vec<u8> {
    let mut said = Vec::new();
    let Some(output) = output else { return said };
    if rustix::io::ioctl_fionbio(&output, true).is_err() {
        return said;
    }
    let Ok(output) = watch(output) else {
        return said;
    };
    while let Ok(mut guard) = output.readable().await {
        let mut part = Vec::with_capacity(4096);
        let read = guard.try_io(|fd| {
            rustix::io::read(fd, rustix::buffer::spare_capacity(&mut part)).map_err(Into::into)
        });
        match read {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) if said.len() < OUTPUT_LIMIT => said.extend_from_slice(&part),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
    said
}
