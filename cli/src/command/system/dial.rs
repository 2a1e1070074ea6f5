//! `gantry system dial-stdio`: the far end of `ssh://`. Bytes pass between stdio and the engine's
//! socket; each side's end is passed on by itself.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::config::Host;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Proxy the stdio stream to the engine's connection
#[derive(Debug, clap::Args)]
pub(crate) struct DialStdio {}

impl Execute for DialStdio {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let host = cx.client().host();
        let failed = || format!("failed to open the raw stream connection to {host}");
        match host {
            Host::Unix(path) => {
                let socket = UnixStream::connect(path).with_context(failed)?;
                let input = socket.try_clone()?;
                proxy(socket, input, |socket| socket.shutdown(Shutdown::Write))?;
            }
            Host::Tcp(address) => {
                let socket = TcpStream::connect(address).with_context(failed)?;
                let input = socket.try_clone()?;
                proxy(socket, input, |socket| socket.shutdown(Shutdown::Write))?;
            }
            Host::Ssh(_) => bail!("dial-stdio is the far end of ssh://; it needs a local engine"),
        }
        Ok(Exit::SUCCESS)
    }
}

/// Copies both ways until the engine is done; a client that stops writing may still read.
fn proxy<S>(mut from_engine: S, mut to_engine: S, close: fn(&S) -> io::Result<()>) -> Result<()>
where
    S: Read + Write + Send + 'static,
{
    thread::spawn(move || {
        let _ = copy(rustix::stdio::stdin(), &mut to_engine);
        let _ = close(&to_engine);
    });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from_engine.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                let mut rest = &buffer[..read];
                while !rest.is_empty() {
                    let written = rustix::io::write(rustix::stdio::stdout(), rest)?;
                    rest = &rest[written..];
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn copy(from: rustix::fd::BorrowedFd<'_>, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rustix::io::read(from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => to.write_all(&buffer[..read])?,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
