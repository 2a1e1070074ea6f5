//! Sessions: what a client offers a build to call back.
//!
//! A client opens a session by `POST /session`, or by the call `Control/Session` that carries the same
//! connection in messages, and names it; its builds name it in turn. The daemon then calls the client
//! over it: for files, secrets, agents, credentials, and to send results. A session lives as long as
//! its connection.

mod agent;
mod carried;
mod channel;
mod content;
mod files;
mod headers;
mod keys;
mod send;
mod upload;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantry_errors::{Classify, ErrorKind};
use tokio::sync::watch;
use tonic::{Code, Status};

pub use agent::Agent;
pub(crate) use carried::carry;
pub use channel::{Channel, open};
pub use files::{Fetch, FetchError};
pub use headers::Offer;
pub use send::ExportError;
pub use upload::Reader;

/// The authority of calls, as BuildKit's client names it.
const ORIGIN: &str = "http://localhost";

/// The largest message a client may send, bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// How many sessions there may be at once.
const SESSIONS_MAX: usize = 1024;

/// A call of the client failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The client does not offer it.
    #[error("the client does not offer {0}")]
    NotOffered(&'static str),
    /// The client refused it, or is gone.
    #[error("{what}: {}", .status.message())]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// What the client said.
        #[source]
        status: Status,
    },
}

impl CallError {
    fn of(what: &'static str) -> impl FnOnce(Status) -> Self {
        move |status| Self::Refused { what, status }
    }

    /// Whether the client says that it has no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotOffered(_) => true,
            Self::Refused { status, .. } => status.code() == Code::NotFound,
        }
    }
}

impl Classify for CallError {
    fn kind(&self) -> ErrorKind {
        if self.is_not_found() {
            ErrorKind::NotFound
        } else {
            ErrorKind::Unavailable
        }
    }
}

/// A client's session; clones are the same one.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    offer: Offer,
    channel: Channel,
    is_closed: watch::Receiver<bool>,
}

impl Session {
    /// What the client offered when it opened the session.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.0.offer
    }

    /// Resolves once the client is gone.
    pub async fn closed(&self) {
        let mut is_closed = self.0.is_closed.clone();
        // The sender goes away with the connection, too.
        let _ = is_closed.wait_for(|is_closed| *is_closed).await;
    }

    fn channel(&self) -> Channel {
        self.0.channel.clone()
    }

    fn requires(&self, method: &'static str) -> Result<(), CallError> {
        if self.0.offer.methods.contains(method) {
            Ok(())
        } else {
            Err(CallError::NotOffered(method))
        }
    }
}

/// The sessions that are open.
#[derive(Debug, Default)]
pub struct Sessions {
    open: Mutex<HashMap<String, Session>>,
    count: watch::Sender<u64>,
}

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another client uses the name.
    #[error("session {0:?} is open already")]
    Taken(String),
    /// Too many.
    #[error("{SESSIONS_MAX} sessions are open")]
    Many,
    /// The connection does not speak HTTP/2.
    #[error("open the session")]
    Handshake(#[source] hyper::Error),
}

impl Sessions {
    /// Serves a session on a connection, until the client is gone.
    ///
    /// # Errors
    /// It was not opened.
    pub async fn serve<Io>(&self, offer: Offer, io: Io) -> Result<(), OpenError>
    where
        Io: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (channel, connection) = open(io).await.map_err(OpenError::Handshake)?;
        let (closed, is_closed) = watch::channel(false);
        let id = offer.id.clone();
        let session = Session(Arc::new(Inner {
            offer,
            channel,
            is_closed,
        }));
        self.add(&id, session)?;
        let _registration = Registration {
            sessions: self,
            id: &id,
        };
        if let Err(error) = connection.await {
            tracing::debug!(session.id = %id, error = %gantry_errors::chain(&error), "a session ended");
        }
        closed.send_replace(true);
        Ok(())
    }

    fn add(&self, id: &str, session: Session) -> Result<(), OpenError> {
        {
            let mut open = self.lock();
            if open.len() >= SESSIONS_MAX {
                return Err(OpenError::Many);
            }
            if open.contains_key(id) {
                return Err(OpenError::Taken(id.to_owned()));
            }
            open.insert(id.to_owned(), session);
        }
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }

    /// A session by its name. A build may come before its session does: it is waited for.
    pub async fn get(&self, id: &str, patience: Duration) -> Option<Session> {
        let mut count = self.count.subscribe();
        let found = async {
            loop {
                if let Some(session) = self.lock().get(id) {
                    return session.clone();
                }
                if count.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, found).await.ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the session away when its connection ends, or nobody serves it any more.
struct Registration<'a> {
    sessions: &'a Sessions,
    id: &'a str,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.sessions.lock().remove(self.id);
    }
}

/// The names of methods a client offers, `/package.Service/Method`.
type Methods = BTreeSet<String>;
