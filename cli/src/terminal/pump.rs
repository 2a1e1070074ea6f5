//! Two threads between this process and an attached container.
//!
//! ```text
//! stdin  ──(detach keys)──▶ socket      ends: EOF → half-close; keys → Detached
//! socket ──(frames)──▶ stdout/stderr    ends: EOF → OutputOver
//! ```
//!
//! They block, so a full pipe on either side stops only its own direction, and memory stays at two
//! buffers however much flows. They end with the process: a thread that waits for the keyboard
//! cannot be woken.

use std::io::{self, Read, Write};
use std::thread;

use tokio::sync::mpsc;

use super::detach::DetachKeys;
use super::output::Output;
use crate::client::{Hijacked, Socket};

const BUFFER: usize = 64 * 1024;

/// Which streams are connected.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) input: bool,
    pub(crate) output: bool,
    /// A terminal's stream has no frames.
    pub(crate) framed: bool,
    /// Watched for where the user's terminal is in raw mode.
    pub(crate) detach: Option<DetachKeys>,
}

/// Why pumping ended.
#[derive(Debug)]
pub(crate) enum Ending {
    OutputOver(io::Result<()>),
    InputOver,
    Detached,
}

/// Starts the threads; what they end with comes through the channel.
pub(crate) fn pump(hijacked: Hijacked, streams: &Streams) -> io::Result<mpsc::Receiver<Ending>> {
    let (sender, receiver) = mpsc::channel(2);
    let socket = hijacked.socket().try_clone()?;
    if streams.input {
        let detach = streams.detach.clone();
        let sender = sender.clone();
        thread::spawn(move || {
            let ending = copy_input(&socket, detach);
            let detached = matches!(ending, Ending::Detached);
            let _ = sender.blocking_send(ending);
            if detached {
                // Only now: this ends the output too, and whoever is told of that first would take
                // it for the container's end and wait for an exit code.
                socket.close();
            }
        });
    } else {
        socket.close_write();
    }
    if streams.output {
        let output = Output::new(streams.framed);
        thread::spawn(move || {
            let _ = sender.blocking_send(Ending::OutputOver(copy_output(hijacked, output)));
        });
    }
    Ok(receiver)
}

fn copy_output(mut hijacked: Hijacked, mut output: Output) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match hijacked.read(&mut buffer) {
            Ok(0) => return output.finish(),
            Ok(read) => output.feed(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The engine ended the connection together with the container.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Copies stdin until its end, or until the user detaches.
fn copy_input(mut socket: &Socket, mut detach: Option<DetachKeys>) -> Ending {
    let mut buffer = vec![0; BUFFER];
    let mut passed = Vec::new();
    loop {
        let read = match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(read) => read,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => 0,
        };
        if read == 0 {
            socket.close_write();
            return Ending::InputOver;
        }
        let bytes = match &mut detach {
            None => &buffer[..read],
            Some(keys) => {
                passed.clear();
                if keys.scan(&buffer[..read], &mut passed) {
                    let _ = socket.write_all(&passed);
                    return Ending::Detached;
                }
                &passed[..]
            }
        };
        if socket.write_all(bytes).is_err() {
            // The container no longer reads; its end is told by the output and by `wait`.
            return Ending::InputOver;
        }
    }
}
