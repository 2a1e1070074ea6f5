//! The Dockerfile, the ignore file that applies, and the build context, from the client.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry_build::{
    BuildError, Cancel, Context, Fault, LocalContext, Refusal, Remote, RemoteWanted, Tree, Wanted,
};
use gantry_dockerfile::{FILE_MAX_BYTES, Source};
use gantry_errors::ErrorKind;
use jiff::Timestamp;
use tonic::Status;

use super::journal::LOAD;
use super::places::Place;
use super::run::Job;
use super::task::Task;
use super::{attributes, failure, files};
use crate::session::{Fetch, Reader};

/// The Dockerfile and what goes with it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) dockerfile: Source,
    pub(super) ignore: String,
    pub(super) context: Arc<dyn Context>,
}

/// An unpacked upload, gone when the build ends.
#[derive(Debug)]
struct Unpacked {
    context: LocalContext,
    _place: Place,
}

impl Context for Unpacked {
    fn open(
        &self,
        wanted: &Wanted,
        sent: &dyn Fn(u64),
        cancel: &Cancel,
    ) -> Result<Arc<Tree>, Refusal> {
        self.context.open(wanted, sent, cancel)
    }
}

impl Job {
    /// The Dockerfile and the ignore file that applies.
    pub(super) fn load(&self) -> Result<Loaded, Status> {
        let refused = |refusal| BuildError::new(Fault::Refused(refusal));
        let loaded = match &self.attributes.context {
            attributes::Place::Upload(path) => self.load_upload(path).map_err(refused),
            attributes::Place::Session(directory) => self.load_session(directory).map_err(refused),
            attributes::Place::Address(address) => self.load_address(address),
            attributes::Place::Image(_) | attributes::Place::Layout(_) => {
                Err(refused(Refusal::new(
                    ErrorKind::Unimplemented,
                    "an image as the build context is not supported",
                )))
            }
        };
        let loaded = loaded.map_err(|error| failure::status(&error, None))?;
        self.journal.set_source(&loaded.dockerfile);
        Ok(loaded)
    }

    fn load_session(&self, directory: &str) -> Result<Loaded, Refusal> {
        let filename = &self.attributes.filename;
        let own_ignore = format!("{filename}.dockerignore");
        let mut wanted = vec![filename.clone(), own_ignore.clone()];
        if filename == "Dockerfile" {
            wanted.push("dockerfile".to_owned());
        }
        let task = format!("{LOAD}{filename}");
        let files = self.small_files(
            &task,
            "transferring dockerfile:",
            &self.attributes.dockerfile_key,
            &wanted,
        )?;
        let text = files.get(filename).or_else(|| files.get("dockerfile"));
        let dockerfile = Source::new(filename.clone(), text.ok_or_else(|| missing(filename))?);
        let ignore = match files.get(&own_ignore) {
            Some(ignore) => ignore.clone(),
            None => {
                let name = ".dockerignore".to_owned();
                let task = "[internal] load .dockerignore";
                let files = self.small_files(task, "transferring context:", directory, &[name])?;
                files.into_values().next().unwrap_or_default()
            }
        };
        Ok(Loaded {
            dockerfile,
            ignore: String::from_utf8_lossy(&ignore).into_owned(),
            context: self.session_context(directory),
        })
    }

    /// Fetches some small files; those that are there.
    fn small_files(
        &self,
        task: &str,
        part: &str,
        directory: &str,
        wanted: &[String],
    ) -> Result<BTreeMap<String, Vec<u8>>, Refusal> {
        let task = Task::begin(&*self.journal, task);
        let work = || {
            let place = self.places.take("").map_err(|error| files::disk(&error))?;
            let root = files::open(place.path()).map_err(|error| files::disk(&error))?;
            let fetch = Fetch {
                directory: directory.to_owned(),
                follow: wanted.to_vec(),
                ..Fetch::default()
            };
            let started = Timestamp::now();
            let tell = |bytes, completed| task.part(part, bytes, started, completed);
            let sent = |bytes| tell(bytes, None);
            let fetching = self.lender(directory).fetch(&fetch, root, &sent);
            let received = files::block(&self.runtime, &self.cancel, fetching)?;
            let received = received.map_err(|error| files::refusal(&error))?;
            tell(received.bytes, Some(Timestamp::now()));
            let mut found = BTreeMap::new();
            let bytes_max = u64::try_from(FILE_MAX_BYTES).unwrap_or(u64::MAX) + 1;
            for name in wanted {
                let bytes = files::read(place.path(), name, bytes_max);
                if let Some(bytes) = bytes.map_err(|error| files::disk(&error))? {
                    found.insert(name.clone(), bytes);
                }
            }
            Ok(found)
        };
        let found = work();
        task.end(found)
    }

    /// A context that the client reads from its standard input: a tar with the Dockerfile in it.
    fn load_upload(&self, path: &str) -> Result<Loaded, Refusal> {
        let task = Task::begin(&*self.journal, "[internal] load remote build context");
        let work = || {
            let place = self.places.take("").map_err(|error| files::disk(&error))?;
            let answer = files::block(&self.runtime, &self.cancel, self.session.upload(path))?;
            let stream = answer.map_err(|error| {
                Refusal::new(
                    ErrorKind::Unavailable,
                    gantry_errors::chain(&error).to_string(),
                )
            })?;
            let mut archive = Reader::new(stream, self.runtime.clone());
            self.host.unpack(&mut archive, place.path())?;
            Ok(place)
        };
        let unpacked = work();
        let place = task.end(unpacked)?;
        let filename = &self.attributes.filename;
        let bytes_max = u64::try_from(FILE_MAX_BYTES).unwrap_or(u64::MAX) + 1;
        let read = |name: &str| {
            let bytes = files::read(place.path(), name, bytes_max);
            bytes.map_err(|error| files::disk(&error))
        };
        let dockerfile = read(filename)?.ok_or_else(|| missing(filename))?;
        let ignore = match read(&format!("{filename}.dockerignore"))? {
            Some(ignore) => ignore,
            None => read(".dockerignore")?.unwrap_or_default(),
        };
        Ok(Loaded {
            dockerfile: Source::new(filename.clone(), &dockerfile),
            ignore: String::from_utf8_lossy(&ignore).into_owned(),
            context: Arc::new(Unpacked {
                context: LocalContext::new(place.path().to_owned()),
                _place: place,
            }),
        })
    }

    /// A context at an address, with the Dockerfile in it unless the client has its own. An ignore
    /// file plays no part.
    fn load_address(&self, address: &str) -> Result<Loaded, BuildError> {
        let keys = self.keys();
        let wanted = RemoteWanted::context(address, &self.attributes.build_args, &keys);
        let remote = self.host.fetch(&wanted, &*self.journal, &self.cancel)?;
        let dockerfile = self.dockerfile_of(&remote);
        let dockerfile = dockerfile.map_err(|refusal| BuildError::new(Fault::Refused(refusal)))?;
        Ok(Loaded {
            dockerfile,
            ignore: String::new(),
            context: remote,
        })
    }

    fn dockerfile_of(&self, remote: &Remote) -> Result<Source, Refusal> {
        let filename = &self.attributes.filename;
        if self.attributes.has_own_dockerfile {
            let task = format!("{LOAD}{filename}");
            let (part, key) = ("transferring dockerfile:", &self.attributes.dockerfile_key);
            let files = self.small_files(&task, part, key, std::slice::from_ref(filename))?;
            let text = files.get(filename).ok_or_else(|| missing(filename))?;
            return Ok(Source::new(filename.clone(), text));
        }
        let filename = remote.file().unwrap_or(filename);
        let bytes_max = u64::try_from(FILE_MAX_BYTES).unwrap_or(u64::MAX) + 1;
        let text = files::read(remote.path(), filename, bytes_max);
        let text = text.map_err(|error| files::disk(&error))?;
        Ok(Source::new(
            filename,
            &text.ok_or_else(|| missing(filename))?,
        ))
    }
}

fn missing(filename: &str) -> Refusal {
    let text = format!("failed to read dockerfile: open {filename}: no such file or directory");
    Refusal::new(ErrorKind::NotFound, text)
}
