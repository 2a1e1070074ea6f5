//! Files, secrets and agents of the client's session, as the solver wants them.
//!
//! The solver is synchronous and calls from threads of its own; these adapters block there.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gantry_build::{Cancel, Context, Keys, Refusal, Tree, Wanted};
use gantry_dockerfile::ignore_lines;
use gantry_errors::{Classify, ErrorKind};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::failure::CANCELLED;
use super::places::{Place, Places, SMALL_BYTES_MAX};
use super::run::Job;
use crate::fsutil::Received;
use crate::session::{self, Fetch, FetchError, Session};

/// The most bytes of an ignore file that are read.
const IGNORE_BYTES_MAX: u64 = 4 << 20;

/// A directory of the client, fetched when it is needed.
#[derive(Debug)]
pub(super) struct SessionContext {
    session: Session,
    directory: String,
    places: Arc<Places>,
    runtime: Handle,
    /// Whether an ignore file in it says what is not sent: a context with a name has its own.
    has_own_ignore: bool,
    /// Held until the build ends.
    place: Mutex<Option<Place>>,
}

impl SessionContext {
    /// A directory by the client's name of it.
    pub(super) fn new(job: &Job, directory: &str) -> Self {
        Self {
            session: job.lender(directory).clone(),
            directory: directory.to_owned(),
            places: Arc::clone(&job.places),
            runtime: job.runtime.clone(),
            has_own_ignore: false,
            place: Mutex::default(),
        }
    }

    /// A directory that a name of `--build-context` stands for.
    pub(super) fn named(job: &Job, directory: &str) -> Self {
        Self {
            has_own_ignore: true,
            ..Self::new(job, directory)
        }
    }

    /// What the directory's own ignore file leaves out.
    fn own_ignore(&self, cancel: &Cancel) -> Result<Vec<String>, Refusal> {
        const NAME: &str = ".dockerignore";
        let place = self.places.take("").map_err(|error| disk(&error))?;
        let fetch = Fetch {
            directory: self.directory.clone(),
            follow: vec![NAME.to_owned()],
            ..Fetch::default()
        };
        let root = open(place.path()).map_err(|error| disk(&error))?;
        let fetching = self.session.fetch(&fetch, root, &|_| ());
        block(&self.runtime, cancel, fetching)?.map_err(|error| refusal(&error))?;
        let bytes = read(place.path(), NAME, IGNORE_BYTES_MAX).map_err(|error| disk(&error))?;
        Ok(ignore_lines(&String::from_utf8_lossy(
            &bytes.unwrap_or_default(),
        )))
    }
}

impl SessionContext {
    /// Receives into a place, which becomes a large one if it has to.
    fn receive(
        &self,
        mut fetch: Fetch,
        place: &mut Place,
        (sent, cancel): (&dyn Fn(u64), &Cancel),
    ) -> Result<Received, Refusal> {
        let receive = |fetch: &Fetch, place: &Place| {
            let root = open(place.path()).map_err(|error| disk(&error))?;
            let fetching = self.session.fetch(fetch, root, sent);
            block(&self.runtime, cancel, fetching)
        };
        if place.is_small() {
            fetch.content_bytes_max = Some(SMALL_BYTES_MAX);
            match receive(&fetch, place)? {
                Err(FetchError::Receive(error)) if error.is_full() => {}
                received => return received.map_err(|error| refusal(&error)),
            }
            place.enlarge().map_err(|error| disk(&error))?;
            fetch.content_bytes_max = None;
        }
        receive(&fetch, place)?.map_err(|error| refusal(&error))
    }
}

impl Context for SessionContext {
    fn open(
        &self,
        wanted: &Wanted,
        sent: &dyn Fn(u64),
        cancel: &Cancel,
    ) -> Result<Arc<Tree>, Refusal> {
        let shared = &self.session.offer().shared_key;
        let key = match shared.as_str() {
            "" => String::new(),
            shared => format!("{shared}\0{}", self.directory),
        };
        let mut place = self.places.take(&key).map_err(|error| disk(&error))?;
        let mut exclude = wanted.exclude.clone();
        if self.has_own_ignore {
            exclude.extend(self.own_ignore(cancel)?);
        }
        let fetch = Fetch {
            directory: self.directory.clone(),
            follow: wanted.paths.clone().unwrap_or_default(),
            include: Vec::new(),
            exclude,
            content_bytes_max: None,
        };
        let is_nothing = wanted.paths.as_ref().is_some_and(Vec::is_empty);
        if !is_nothing {
            let received = self.receive(fetch, &mut place, (sent, cancel))?;
            place.settle(received.changes > 0);
        }
        let tree = place.tree().map_err(|error| disk(&error))?;
        let mut held = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(place);
        Ok(Arc::new(tree))
    }
}

/// Secrets and agents of the client.
#[derive(Debug)]
pub(super) struct SessionKeys {
    pub(super) session: Session,
    pub(super) runtime: Handle,
}

impl Keys for SessionKeys {
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let answer = self.runtime.block_on(self.session.secret(id));
        answer.map_err(|error| Refusal::new(error.kind(), gantry_errors::chain(&error).to_string()))
    }

    fn agent(
        &self,
        id: &str,
        path: &Path,
    ) -> Result<Option<Box<dyn gantry_build::Agent>>, Refusal> {
        let answer = self.runtime.block_on(self.session.has_agent(id));
        let is_there = answer.map_err(|error| {
            Refusal::new(error.kind(), gantry_errors::chain(&error).to_string())
        })?;
        if !is_there {
            return Ok(None);
        }
        let _within = self.runtime.enter();
        let agent = self.session.agent(id, path).map_err(|error| disk(&error))?;
        Ok(Some(Box::new(ClientAgent(agent))))
    }
}

/// Dropped, the socket is gone.
#[derive(Debug)]
struct ClientAgent(#[expect(dead_code, reason = "held until dropped")] session::Agent);

impl gantry_build::Agent for ClientAgent {}

/// Waits for an answer, but not longer than for the end of the build.
pub(super) fn block<T>(
    runtime: &Handle,
    cancel: &Cancel,
    answer: impl Future<Output = T>,
) -> Result<T, Refusal> {
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = cancelled(cancel) => Err(Refusal::new(ErrorKind::Cancelled, CANCELLED)),
            answer = answer => Ok(answer),
        }
    })
}

/// Resolves when a token is cancelled.
async fn cancelled(cancel: &Cancel) {
    let notify = Arc::new(Notify::new());
    let waker = Arc::clone(&notify);
    let _waiting = cancel.on_cancel(move || waker.notify_one());
    notify.notified().await;
}

pub(super) fn refusal(error: &FetchError) -> Refusal {
    let kind = match error {
        FetchError::Call(error) => error.kind(),
        FetchError::Receive(_) => ErrorKind::InvalidArgument,
        FetchError::Ended => ErrorKind::Unavailable,
    };
    Refusal::new(kind, gantry_errors::chain(error).to_string())
}

pub(super) fn disk(error: &io::Error) -> Refusal {
    let text = format!("keep files of the client: {error}");
    Refusal::new(ErrorKind::Internal, text)
}

/// Opens a directory of the engine's own.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// A small file of a tree, links followed within it; none if there is none.
pub(super) fn read(root: &Path, path: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read;
    let root = open(root)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let path = path.trim_start_matches('/');
    let file = match rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
