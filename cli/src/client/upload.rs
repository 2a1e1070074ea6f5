//! A request body that a thread writes: bounded, so that a slow engine slows the writer.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;

use super::connect::Body;

/// Chunks under way between the writer and the socket; 64 KiB each at most.
const IN_FLIGHT: usize = 8;
const CHUNK: usize = 64 * 1024;

/// Runs `produce` on a thread of its own; what it writes becomes the body. Its error breaks the
/// request off, so that the engine never takes half a body for a whole one.
pub(crate) fn upload<F>(produce: F) -> Body
where
    F: FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    std::thread::spawn(move || {
        let mut writer = io::BufWriter::with_capacity(CHUNK, ChannelWriter(sender.clone()));
        let end = produce(&mut writer).and_then(|()| writer.flush());
        if let Err(error) = end {
            let _ = sender.blocking_send(Err(error));
        }
    });
    Upload(receiver).boxed_unsync()
}

struct ChannelWriter(mpsc::Sender<io::Result<Bytes>>);

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Upload(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
