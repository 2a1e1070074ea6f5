//! Lays a process's pipes before it is created, and joins them (or the terminal it brings) to their
//! targets.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gantry_stdio::frame::Stream;
use gantry_stdio::{JsonFile, StdioUri};
use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use rustix::pipe::PipeFlags;
use rustix::termios::Winsize;
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::hub::Hub;
use super::pump;
use super::session::Ticket;
use super::sink::Sink;
use super::stdin::Stdin;
use super::target::{Target, Targets};
use crate::log::JsonLog;

/// What a pipe holds before its writer waits, in bytes; the kernel may allow less.
const PIPE_LEN: usize = 256 * 1024;
/// Where backlogs spill when no log says where there is room.
const SPOOL_FOLDERS: [&str; 2] = ["/var/tmp", "/tmp"];

/// Why streams could not be laid.
#[derive(Debug, Error)]
pub(crate) enum StdioError {
    /// The log cannot be written.
    #[error("open log {path}")]
    Log {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A FIFO or file cannot be opened.
    #[error("open stdio {path}")]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// No pipe can be had.
    #[error("make a pipe")]
    Pipe(#[source] io::Error),
    /// The descriptor cannot be watched.
    #[error("watch a stream")]
    Watch(#[source] io::Error),
    /// The terminal's size cannot be set.
    #[error("resize the terminal")]
    Resize(#[source] io::Error),
    /// There is no terminal to resize.
    #[error("process has no terminal")]
    NoTerminal,
}

/// The ends that the process inherits.
#[derive(Debug)]
pub(crate) struct ChildEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Whom the pipes belong to: a process in a user namespace opens them anew by `/dev/stdout`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    fn take(self, end: &OwnedFd) -> Result<(), StdioError> {
        // Root has them already; `/dev/null` is everybody's.
        let is_pipe = rustix::fs::fstat(end)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if self == Self::default() || !is_pipe {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::fs::fchown(end, Some(uid), Some(gid))
            .map_err(|errno| StdioError::Pipe(errno.into()))
    }
}

/// A process's streams as the shim holds them.
#[derive(Debug)]
pub(crate) struct Streams {
    hub: Option<Arc<Hub>>,
    stdin: Arc<Stdin>,
    stdin_once: bool,
    pumps: Mutex<Pumps>,
}

#[derive(Debug)]
struct Pumps {
    tasks: Vec<JoinHandle<()>>,
    /// Each pump holds one; when all are gone the output is complete.
    running: Option<mpsc::Sender<()>>,
    complete: Option<mpsc::Receiver<()>>,
    console: Option<Arc<AsyncFd<OwnedFd>>>,
    /// Where a terminal's output is to go, until there is one.
    console_sink: Option<Sink>,
    /// A writing end of the client's input FIFO: the input lives on when the client dies, and ends
    /// when it is closed on request and no client writes any more.
    fifo_writer: Option<OwnedFd>,
}

/// Streams of a process that is still to be created.
#[derive(Debug)]
pub(crate) struct Wiring {
    pub(crate) streams: Streams,
    pub(crate) child: ChildEnds,
}

impl Wiring {
    /// Lays pipes, or makes room for a terminal.
    pub(crate) fn lay(targets: &Targets, owner: Owner) -> Result<Self, StdioError> {
        let uri = targets.uri();
        let hub = uri.map(|uri| hub(uri, targets)).transpose()?;
        let (running, complete) = mpsc::channel(1);
        let pumps = Pumps {
            tasks: Vec::new(),
            running: Some(running),
            complete: Some(complete),
            console: None,
            console_sink: None,
            fifo_writer: None,
        };
        let streams = Streams {
            hub,
            stdin: Arc::new(match targets.stdin {
                Target::Null => Stdin::closed(),
                Target::Gantry(_) | Target::Fifo(_) | Target::File(_) => Stdin::pending(),
            }),
            stdin_once: uri.is_some_and(|uri| uri.stdin_once) && !targets.terminal,
            pumps: Mutex::new(pumps),
        };
        let child = if targets.terminal {
            streams.expect_terminal(&targets.stdout)?;
            ChildEnds {
                stdin: null()?,
                stdout: null()?,
                stderr: null()?,
            }
        } else {
            let child = streams.lay_pipes(targets)?;
            for end in [&child.stdin, &child.stdout, &child.stderr] {
                owner.take(end)?;
            }
            child
        };
        streams.open_input(&targets.stdin)?;
        Ok(Self { streams, child })
    }
}

impl Streams {
    /// What an attached client is joined to; `None` if this process's streams are not ours to share.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        let hub = self.hub.clone()?;
        Some(Ticket {
            hub,
            stdin: self.stdin.clone(),
            stdin_once: self.stdin_once,
        })
    }

    /// Joins the terminal that the process has been given.
    pub(crate) fn join_terminal(&self, master: OwnedFd) -> Result<(), StdioError> {
        let master = Arc::new(watch(master)?);
        self.stdin.open(master.clone());
        let mut pumps = self.pumps();
        if let Some(sink) = pumps.console_sink.take() {
            pumps.start(master.clone(), sink);
        }
        pumps.console = Some(master);
        Ok(())
    }

    /// Sets the terminal's size in characters.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> Result<(), StdioError> {
        let console = self.pumps().console.clone().ok_or(StdioError::NoTerminal)?;
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(console.as_fd(), size)
            .map_err(|errno| StdioError::Resize(errno.into()))
    }

    /// Closes the process's input; what a FIFO holds still gets there.
    pub(crate) fn close_input(&self) {
        if self.pumps().fifo_writer.take().is_none() {
            self.stdin.close();
        }
    }

    /// Waits until all output has been passed on. For one caller only; a second finds it complete.
    pub(crate) async fn drained(&self) {
        let complete = {
            let mut pumps = self.pumps();
            pumps.running = None;
            pumps.complete.take()
        };
        if let Some(mut complete) = complete {
            complete.recv().await;
        }
    }

    /// Lets go of everything, whether or not it is complete.
    pub(crate) fn abandon(&self) {
        self.stdin.close();
        let mut pumps = self.pumps();
        pumps.console = None;
        pumps.console_sink = None;
        pumps.fifo_writer = None;
        for task in pumps.tasks.drain(..) {
            task.abort();
        }
        if let Some(hub) = &self.hub {
            hub.abandon();
        }
    }

    fn expect_terminal(&self, target: &Target) -> Result<(), StdioError> {
        let sink = self.sink(target, Stream::Stdout)?;
        self.pumps().console_sink = Some(sink);
        Ok(())
    }

    fn lay_pipes(&self, targets: &Targets) -> Result<ChildEnds, StdioError> {
        let stdin = match targets.stdin {
            Target::Null => null()?,
            Target::Gantry(_) | Target::Fifo(_) | Target::File(_) => {
                let (reader, writer) = pipe()?;
                self.stdin.open(Arc::new(watch(writer)?));
                reader
            }
        };
        let stdout = self.lay_output(&targets.stdout, Stream::Stdout)?;
        let stderr = self.lay_output(&targets.stderr, Stream::Stderr)?;
        Ok(ChildEnds {
            stdin,
            stdout,
            stderr,
        })
    }

    fn lay_output(&self, target: &Target, stream: Stream) -> Result<OwnedFd, StdioError> {
        if *target == Target::Null {
            return null();
        }
        let (reader, writer) = pipe()?;
        let sink = self.sink(target, stream)?;
        self.pumps().start(Arc::new(watch(reader)?), sink);
        Ok(writer)
    }

    fn sink(&self, target: &Target, stream: Stream) -> Result<Sink, StdioError> {
        Ok(match target {
            Target::Null => Sink::Null,
            Target::Gantry(_) => {
                let hub = self.hub.clone().expect("a target of ours makes a hub");
                Sink::Hub(hub, stream)
            }
            // Both ends: a client that dies must not end the process with SIGPIPE.
            Target::Fifo(path) => Sink::Pipe(watch(open_fifo(path, OFlags::RDWR)?)?),
            Target::File(path) => Sink::File(open_file(path)?),
        })
    }

    fn open_input(&self, target: &Target) -> Result<(), StdioError> {
        let Target::Fifo(path) = target else {
            return Ok(());
        };
        let source = watch(open_fifo(path, OFlags::RDONLY)?)?;
        self.pumps().fifo_writer = Some(open_fifo(path, OFlags::WRONLY)?);
        let task = tokio::spawn(pump::input(source, self.stdin.clone()));
        self.pumps().tasks.push(task);
        Ok(())
    }

    fn pumps(&self) -> std::sync::MutexGuard<'_, Pumps> {
        self.pumps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pumps {
    fn start(&mut self, source: Arc<AsyncFd<OwnedFd>>, sink: Sink) {
        let running = self.running.clone();
        self.tasks.push(tokio::spawn(async move {
            pump::output(source, sink).await;
            drop(running);
        }));
    }
}

fn hub(uri: &StdioUri, targets: &Targets) -> Result<Arc<Hub>, StdioError> {
    let log = uri.log.as_ref().map(open_log).transpose()?;
    let streams = [&targets.stdout, &targets.stderr];
    let ours = streams
        .iter()
        .filter(|target| matches!(target, Target::Gantry(_)))
        .count();
    let folder = uri
        .log
        .as_ref()
        .and_then(|log| log.path.parent())
        .map_or_else(
            || {
                SPOOL_FOLDERS
                    .map(PathBuf::from)
                    .into_iter()
                    .find(|folder| folder.is_dir())
            },
            |folder| Some(folder.to_owned()),
        );
    Ok(Arc::new(Hub::new(
        log,
        ours,
        folder.unwrap_or_else(|| PathBuf::from("/")),
    )))
}

fn open_log(options: &JsonFile) -> Result<JsonLog, StdioError> {
    JsonLog::open(options).map_err(|source| StdioError::Log {
        path: options.path.clone(),
        source,
    })
}

fn pipe() -> Result<(OwnedFd, OwnedFd), StdioError> {
    let ends = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|errno| StdioError::Pipe(errno.into()))?;
    // Without the right to more the pipe stays at its 64 KiB.
    let _ = rustix::pipe::fcntl_setpipe_size(&ends.0, PIPE_LEN);
    Ok(ends)
}

/// Makes our end non-blocking (the process's end is another open file) and watches it.
fn watch(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>, StdioError> {
    rustix::io::ioctl_fionbio(&fd, true).map_err(|errno| StdioError::Watch(errno.into()))?;
    crate::watched::watch(fd).map_err(StdioError::Watch)
}

fn open_fifo(path: &Path, mode: OFlags) -> Result<OwnedFd, StdioError> {
    let flags = mode | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| StdioError::Open {
        path: path.to_owned(),
        source: errno.into(),
    })
}

fn open_file(path: &Path) -> Result<File, StdioError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    options.open(path).map_err(|source| StdioError::Open {
        path: path.to_owned(),
        source,
    })
}

fn null() -> Result<OwnedFd, StdioError> {
    let path = Path::new("/dev/null");
    rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| {
        StdioError::Open {
            path: path.to_owned(),
            source: errno.into(),
        }
    })
}
