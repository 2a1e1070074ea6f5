//! Between async bodies and synchronous code: a request's body as a reader, progress as a stream.
//!
//! Image code is synchronous (it hashes, inflates and writes files); it runs on the blocking pool
//! and meets the connection through two bounded channels, so that a slow disk slows the client down
//! and a slow client slows the disk down, and neither fills memory.

use std::io::{self, BufWriter, Read, Write};
use std::pin::Pin;

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::{StreamExt, stream};
use gantry_engine_api::progress::ProgressMessage;
use gantry_errors::ErrorKind;
use gantry_image::Stop;
use tokio::sync::mpsc;

use super::client::Client;
use super::error::{ApiError, ApiResult};
use super::json_lines;

/// Pieces that may wait between the two sides.
const QUEUE: usize = 8;
/// Bytes of a piece of a tar.
const PIECE: usize = 64 << 10;

/// A request's body for synchronous code. Dropping it lets the body go.
#[derive(Debug)]
pub struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl BodyReader {
    /// Starts to read the body.
    #[must_use]
    pub fn new(body: Body) -> Self {
        let (sender, pieces) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let mut body = body.into_data_stream();
            while let Some(piece) = body.next().await {
                let failed = piece.is_err();
                if sender.send(piece.map_err(io::Error::other)).await.is_err() || failed {
                    return;
                }
            }
        });
        Self {
            pieces,
            current: Bytes::new(),
        }
    }
}

impl Read for BodyReader {
    /// Blocks: only for the blocking pool.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Where synchronous code tells how far it is.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<ProgressMessage>);

impl Progress {
    /// Tells the client, waiting for it if it is slow. A client that is gone is not told.
    pub fn tell(&self, message: ProgressMessage) {
        let _ = self.0.blocking_send(message);
    }
}

/// Runs `work` on the blocking pool and answers with a stream of what it tells. A failure before
/// anything was told is an answer with its own status; a later one is the stream's last object.
/// When the client leaves, `stop` is told.
///
/// # Errors
/// What `work` failed with before it told anything.
pub async fn progress<F>((client, stop): (Client, Stop), work: F) -> ApiResult
where
    F: FnOnce(&Progress) -> Result<(), ApiError> + Send + 'static,
{
    let (sender, messages) = mpsc::channel(QUEUE);
    let work = tokio::task::spawn_blocking(move || work(&Progress(sender)));
    let mut messages = Told {
        messages,
        gone: Box::pin(client.gone()),
        stop,
    };
    let Some(first) = messages.recv().await else {
        finished(work.await)?;
        return Ok(json_lines(stream::empty()));
    };
    let lines = stream::unfold(Some((Some(first), messages, work)), |state| async move {
        let (first, mut messages, work) = state?;
        let message = match first {
            Some(first) => Some(first),
            None => messages.recv().await,
        };
        match message {
            Some(message) => Some((line(&message), Some((None, messages, work)))),
            None => {
                let error = finished(work.await).err()?;
                Some((line(&ProgressMessage::failure(error.message())), None))
            }
        }
    });
    Ok(json_lines(lines))
}

/// What work tells, until the client leaves.
struct Told {
    messages: mpsc::Receiver<ProgressMessage>,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
    stop: Stop,
}

impl Told {
    /// The next message; none when the work ends or the client has left.
    async fn recv(&mut self) -> Option<ProgressMessage> {
        tokio::select! {
            biased;
            message = self.messages.recv() => message,
            () = &mut self.gone => {
                self.stop.stop();
                // Whoever waits to tell something does not wait any longer.
                self.messages.close();
                None
            }
        }
    }
}

impl Drop for Told {
    /// Nobody listens any more; work that has ended does not mind.
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Runs `work` on the blocking pool.
///
/// # Errors
/// What `work` failed with.
pub async fn blocking<T, F>(work: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ApiError> + Send + 'static,
{
    finished(tokio::task::spawn_blocking(work).await)
}

fn finished<T>(joined: Result<Result<T, ApiError>, tokio::task::JoinError>) -> Result<T, ApiError> {
    joined.unwrap_or_else(|panic| {
        Err(ApiError::new(
            ErrorKind::Internal,
            format!("a task of the engine failed: {panic}"),
        ))
    })
}

pub(super) fn line(message: &ProgressMessage) -> Bytes {
    let mut line = serde_json::to_vec(message).expect("the API's types have string keys only");
    line.extend_from_slice(b"\r\n");
    line.into()
}

/// A tar written by synchronous code, as the body of an answer. A failure breaks the body off: the
/// head is out by then.
pub fn tar_stream(
    work: impl FnOnce(&mut dyn Write) -> Result<(), String> + Send + 'static,
) -> Body {
    let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut to = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        let outcome = work(&mut to).and_then(|()| to.flush().map_err(|e| e.to_string()));
        if let Err(text) = outcome {
            tracing::debug!(error = text, "a tar was broken off");
            drop(sender.blocking_send(Err(io::Error::other(text))));
        }
    });
    Body::from_stream(stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    }))
}

/// Sends what is written on, waiting for the client.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(piece)).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
