//! Results on their way to the client.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gantry_build::{BuildError, Fault, Outcome, Refusal};
use gantry_errors::ErrorKind;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::files;
use super::request::Exporter;
use super::run::Job;
use super::task::Task;
use crate::session::Session;

/// A writer whose pieces go to the client.
struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let sent = self.0.blocking_send(piece);
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Job {
    /// Sends what the client wants to have.
    pub(super) fn export(&self, outcome: &Outcome) -> Result<(), BuildError> {
        for (number, exporter) in self.exporters.iter().enumerate() {
            let name = match exporter {
                Exporter::Image(_) => continue,
                Exporter::Directory => "exporting to client directory",
                Exporter::Tar => "exporting to client tarball",
            };
            let task = Task::begin(&*self.journal, name);
            let sent = match &outcome.files {
                None => Err(Refusal::new(ErrorKind::Internal, "the build left no files")),
                Some(root) => match exporter {
                    Exporter::Tar => self.send_tar(number, root, &task),
                    _ => self.send_directory(number, root, &task),
                },
            };
            task.end(sent)
                .map_err(|refusal| BuildError::new(Fault::Refused(refusal)))?;
        }
        Ok(())
    }

    fn send_directory(
        &self,
        number: usize,
        root: &OwnedFd,
        task: &Task<'_>,
    ) -> Result<(), Refusal> {
        let started = Timestamp::now();
        let bytes = AtomicU64::new(0);
        let tell = |count| {
            bytes.store(count, Ordering::Relaxed);
            task.part("copying files", count, started, None);
        };
        let root = root.try_clone().map_err(|error| files::disk(&error))?;
        let sending = self.session.send_directory(number, root, &tell);
        let sent = files::block(&self.runtime, &self.cancel, sending)?;
        sent.map_err(|error| {
            Refusal::new(ErrorKind::Unknown, gantry_errors::chain(&error).to_string())
        })?;
        let count = bytes.into_inner();
        task.part("copying files", count, started, Some(Timestamp::now()));
        Ok(())
    }

    fn send_tar(&self, number: usize, root: &OwnedFd, task: &Task<'_>) -> Result<(), Refusal> {
        let started = Timestamp::now();
        task.part("sending tarball", 0, started, None);
        let (pieces, queue) = mpsc::channel(8);
        let packed = std::thread::scope(|scope| {
            let packing = scope.spawn(move || {
                let mut pieces =
                    io::BufWriter::with_capacity(Session::piece_bytes(), Pieces(pieces));
                self.host.pack(root, &mut pieces)?;
                pieces.flush()
            });
            let sending = self.session.send_file(number, queue);
            let sent = files::block(&self.runtime, &self.cancel, sending);
            // A packer that nobody listens to any more ends with its next piece.
            let packed = packing.join().expect("packing does not panic");
            let sent = sent?.map_err(|error| {
                Refusal::new(ErrorKind::Unknown, gantry_errors::chain(&error).to_string())
            });
            sent.and(packed.map_err(|error| files::disk(&error)))
        });
        task.part("sending tarball", 0, started, Some(Timestamp::now()));
        packed
    }
}
