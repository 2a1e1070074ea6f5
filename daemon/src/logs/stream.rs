//! A log as a stream of buffers, for the body of an answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{Stream, stream};
use gantry_errors::chain;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::reader::{Filled, Reader};
use super::watch::{Growth, LogWatch};
use super::{LogError, LogQuery};

/// Where followers look even if nothing woke them: a network filesystem has no inotify.
const FALLBACK: Duration = Duration::from_secs(1);

/// How often they look where there is no watch at all.
const POLL: Duration = Duration::from_millis(100);

/// A container's log, as one reader sees it.
#[derive(Debug)]
pub struct Source {
    /// The live file, `<id>-json.log`.
    pub path: PathBuf,
    /// Cancelled when the container has ended and its log is complete: followers read what is left
    /// and end. For a container that does not run, cancelled already. The reader cancels it itself
    /// when it goes away, so that whoever waits for the container on its behalf can stop.
    pub complete: CancellationToken,
    /// Cancelled when the daemon ends: followers end at once.
    pub closing: CancellationToken,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.complete.cancel();
    }
}

/// Opens the log; what is wrong with it is known before the answer's head is sent.
///
/// # Errors
/// [`LogError`] if a file is there and cannot be opened.
pub async fn lines(
    source: Source,
    query: LogQuery,
    watch: Option<Arc<LogWatch>>,
) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send, LogError> {
    let growth = match (query.follow, &watch, source.path.parent()) {
        (true, Some(watch), Some(directory)) => watch.directory(directory).ok(),
        _ => None,
    };
    let until_ns = query.until_ns;
    let path = source.path.clone();
    let follow = query.follow;
    let reader = tokio::task::spawn_blocking(move || Reader::open(&path, query));
    let reader = reader.await.expect("opening a log does not panic")?;
    let follower = follow.then(|| Follower {
        source,
        growth,
        end: deadline(until_ns),
        finishing: false,
    });
    let state = State {
        reading: Some(read(reader)),
        follower,
    };
    Ok(stream::unfold(state, State::next))
}

fn deadline(until_ns: Option<i64>) -> Option<tokio::time::Instant> {
    let until = Duration::from_nanos(u64::try_from(until_ns?).unwrap_or(0));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Some(tokio::time::Instant::now() + until.saturating_sub(now))
}

type Read = (Reader, Vec<u8>, Result<Filled, LogError>);

/// Fills the next buffer on the blocking pool.
fn read(mut reader: Reader) -> JoinHandle<Read> {
    tokio::task::spawn_blocking(move || {
        let mut output = reader.output();
        let filled = reader.fill(&mut output);
        (reader, output.into_bytes(), filled)
    })
}

struct State {
    /// The buffer that is being filled while the client takes the one before it.
    reading: Option<JoinHandle<Read>>,
    follower: Option<Follower>,
}

impl State {
    async fn next(mut self) -> Option<(std::io::Result<Bytes>, Self)> {
        loop {
            let (reader, buffer, filled) = self.reading.take()?.await.ok()?;
            match filled {
                Ok(Filled::More) => self.reading = Some(read(reader)),
                Ok(Filled::Past) => {}
                Ok(Filled::End) if buffer.is_empty() => {
                    let goes_on = match &mut self.follower {
                        Some(follower) => follower.wait().await,
                        None => false,
                    };
                    if !goes_on {
                        return None;
                    }
                    self.reading = Some(read(reader));
                    continue;
                }
                // Look once more without waiting: the buffer is sent in the meantime.
                Ok(Filled::End) => self.reading = Some(read(reader)),
                Err(error) => {
                    warn!(error = %chain(&error), "a log ends early");
                    let error = std::io::Error::other(chain(&error).to_string());
                    return Some((Err(error), self));
                }
            }
            if !buffer.is_empty() {
                return Some((Ok(Bytes::from(buffer)), self));
            }
        }
    }
}

struct Follower {
    source: Source,
    growth: Option<Growth>,
    end: Option<tokio::time::Instant>,
    /// Nothing more will be written: what is there is read, and that is all.
    finishing: bool,
}

impl Follower {
    /// Waits until there may be more; false when nothing will come.
    ///
    /// Called when everything was read. The watch remembers what happened since it last woke the
    /// follower, so that nothing written during the read is missed. Once the container has ended,
    /// one more read has to find nothing.
    async fn wait(&mut self) -> bool {
        if self.finishing || self.source.closing.is_cancelled() {
            return false;
        }
        tokio::select! {
            () = self.source.closing.cancelled() => return false,
            () = self.source.complete.cancelled() => self.finishing = true,
            () = reached(self.end) => self.finishing = true,
            () = grown(self.growth.as_mut()) => {}
        }
        true
    }
}

/// Resolves at the end of the window; never, if there is none.
async fn reached(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Resolves when the log may have grown.
async fn grown(growth: Option<&mut Growth>) {
    match growth {
        Some(growth) => {
            let _ = tokio::time::timeout(FALLBACK, growth.changed()).await;
        }
        None => tokio::time::sleep(POLL).await,
    }
}
