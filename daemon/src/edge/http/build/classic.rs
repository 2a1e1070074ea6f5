//! `POST /build`: a tar in, a stream of the classic builder out, with the whole modern language.

use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use gantry_build::{
    BuildError, Cancel, Client, Context, Fault, LocalContext, Outcome, RemoteWanted,
    Request as Build,
};
use gantry_engine_api::build::BuildEvent;
use gantry_engine_api::progress::{ErrorDetail, ProgressMessage};
use gantry_errors::{Classify, ErrorKind, chain};
use gantry_ids::ImageId;
use gantry_image::Stop;
use gantry_registry::Credentials;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::events::{Events, Pieces};
use super::params::Asked;
use super::secrets::Secrets;
use super::shell::Places;
use super::stream::Classic;
use super::{context, events};
use crate::build::{CredentialsOf, Registries};
use crate::edge::http::blocking::{BodyReader, Progress, progress};
use crate::edge::http::client::Client as Connection;
use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::images::announce;
use crate::engine::Engine;

/// Docker's own registry, as its clients call it and as references do.
const DOCKER_HUB: (&str, &str) = ("https://index.docker.io/v1/", "docker.io");

/// How much of the target's files goes into an event, bytes.
const PIECE_BYTES: usize = 192 << 10;

pub(super) async fn build(
    State(engine): State<Arc<Engine>>,
    client: Connection,
    params: Params,
    request: Request,
) -> ApiResult {
    let asked = Asked::read(&params)?;
    let secrets = Arc::new(Secrets::read(request.headers())?);
    let registries = engine.builds.registries(credentials(request.headers()));
    let body = BodyReader::new(request.into_body());
    let cancel = Cancel::new();
    let (end, left, stopped) = (engine.closing.clone(), client.clone(), cancel.clone());
    // A daemon that ends takes its builds along, as a client that leaves does.
    let watch = AbortOnDrop(tokio::spawn(async move {
        tokio::select! {
            () = end.cancelled() => {}
            () = left.gone() => {}
        }
        stopped.cancel();
    }));
    progress((client, Stop::default()), move |progress| {
        let _watch = watch;
        let _registered = engine.builds.register(&asked.id, &cancel);
        let job = Job {
            engine: &engine,
            asked: &asked,
            secrets,
            registries: Arc::new(registries),
            cancel: &cancel,
            places: asked
                .enters
                .then(|| Arc::new(Places::new(&engine, progress))),
        };
        if asked.wants_events {
            return job.with_events(body, progress);
        }
        job.with_text(body, progress)
    })
    .await
}

/// A build that was asked for.
struct Job<'a> {
    engine: &'a Engine,
    asked: &'a Asked,
    secrets: Arc<Secrets>,
    registries: Arc<Registries>,
    cancel: &'a Cancel,
    /// Who enters the places of failed programs.
    places: Option<Arc<Places>>,
}

/// The files of a build.
struct Gathered {
    request: Build,
    context: Arc<dyn Context>,
    /// Where they were unpacked; gone when the build ends.
    _directory: Option<context::Directory>,
}

/// The files of a build could not be had.
enum Ungathered {
    Sent(ApiError),
    Fetched(BuildError),
}

impl Job<'_> {
    /// Builds and tells events.
    fn with_events(&self, body: BodyReader, progress: &Progress) -> Result<(), ApiError> {
        let events = Events(progress);
        let gathered = match self.gather(body, &events) {
            Ok(gathered) => gathered,
            Err(Ungathered::Sent(error)) => return Err(error),
            Err(Ungathered::Fetched(error)) => {
                return Err(ApiError::new(error.kind(), chain(&error).to_string()));
            }
        };
        match self.solve(&gathered, &events) {
            Ok(outcome) => done(self.engine, self.asked, &outcome, progress),
            Err(error) => Err(failed_events(&error, &gathered.request, progress)),
        }
    }

    /// Builds and tells what the classic builder tells.
    fn with_text(&self, body: BodyReader, progress: &Progress) -> Result<(), ApiError> {
        let classic = Classic::new(progress, (self.asked.is_quiet, self.asked.removes));
        let outcome = match self.gather(body, &classic) {
            Ok(gathered) => self.solve(&gathered, &classic),
            Err(Ungathered::Sent(error)) => return Err(error),
            Err(Ungathered::Fetched(error)) => Err(error),
        };
        classic.finish();
        match outcome {
            Ok(outcome) => done(self.engine, self.asked, &outcome, progress),
            Err(error) => failed(&error, progress),
        }
    }

    /// Unpacks what the client sends, or fetches what it names.
    fn gather(
        &self,
        body: BodyReader,
        progress: &dyn gantry_build::Progress,
    ) -> Result<Gathered, Ungathered> {
        let asked = self.asked;
        if let Some(address) = &asked.remote {
            let keys = self.secrets.as_ref();
            let wanted = RemoteWanted::context(address, asked.arguments(), keys);
            let fetched = self
                .engine
                .builds
                .solver
                .fetch(&wanted, progress, self.cancel);
            let remote = fetched.map_err(Ungathered::Fetched)?;
            let dockerfile = remote.file().unwrap_or(&asked.dockerfile);
            let found = context::find(remote.path(), dockerfile).map_err(Ungathered::Sent)?;
            return Ok(Gathered {
                // An ignore file of the other side plays no part, as in BuildKit.
                request: asked.request(found.dockerfile, String::new()),
                context: remote,
                _directory: None,
            });
        }
        let directory = context::unpack(&self.engine.builds, body).map_err(Ungathered::Sent)?;
        let found = context::find(directory.path(), &asked.dockerfile);
        let found = found.map_err(Ungathered::Sent)?;
        Ok(Gathered {
            request: asked.request(found.dockerfile, found.ignore),
            context: Arc::new(LocalContext::new(directory.path().to_owned())),
            _directory: Some(directory),
        })
    }

    fn solve(
        &self,
        gathered: &Gathered,
        progress: &dyn gantry_build::Progress,
    ) -> Result<Outcome, BuildError> {
        let client = Client {
            context: Some(Arc::clone(&gathered.context)),
            keys: Arc::clone(&self.secrets) as Arc<dyn gantry_build::Keys>,
            registry: Arc::clone(&self.registries) as Arc<dyn gantry_build::Registry>,
            on_fail: self
                .places
                .clone()
                .map(|places| places as Arc<dyn gantry_build::OnFail>),
        };
        let solver = &self.engine.builds.solver;
        solver.build(&gathered.request, &client, progress, self.cancel)
    }
}

/// Ends a task when it is dropped.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells what was built, to the client and to whoever follows events.
fn done(
    engine: &Engine,
    asked: &Asked,
    outcome: &Outcome,
    progress: &Progress,
) -> Result<(), ApiError> {
    if let Some(files) = &outcome.files {
        send(files, progress)?;
    }
    let Some(id): Option<ImageId> = outcome.image else {
        return Ok(());
    };
    if let Some(image) = engine.images.get(&id) {
        for name in &asked.names {
            announce(engine, "tag", &image, &name.familiar());
        }
    }
    progress.tell(ProgressMessage {
        aux: Some(json!({ "ID": id.to_string() })),
        ..ProgressMessage::default()
    });
    if asked.wants_events {
        return Ok(());
    }
    if asked.is_quiet {
        progress.tell(ProgressMessage::stream(format!("{id}\n")));
        return Ok(());
    }
    let built = format!("Successfully built {}\n", id.short());
    progress.tell(ProgressMessage::stream(built));
    for name in &asked.names {
        let tagged = format!("Successfully tagged {}\n", name.familiar());
        progress.tell(ProgressMessage::stream(tagged));
    }
    Ok(())
}

/// Sends the target's files as a tar, in events.
fn send(files: &OwnedFd, progress: &Progress) -> Result<(), ApiError> {
    let path = format!("/proc/self/fd/{}/.", files.as_raw_fd());
    let mut pieces = BufWriter::with_capacity(PIECE_BYTES, Pieces(progress));
    let sent = gantry_layer::write_diff(Path::new(&path), &mut pieces);
    sent.map(drop)
        .and_then(|()| pieces.flush())
        .map_err(|error| ApiError::new(ErrorKind::Internal, format!("send the files: {error}")))
}

/// The end of a stream of events that failed: where, then why.
fn failed_events(error: &BuildError, request: &Build, progress: &Progress) -> ApiError {
    let text = error.excerpt(&request.dockerfile);
    if !text.is_empty() {
        progress.tell(events::message(&BuildEvent::Excerpt { text }));
    }
    ApiError::new(error.kind(), chain(error).to_string())
}

/// The end of a stream that failed, or the answer if nothing was told before.
fn failed(error: &BuildError, progress: &Progress) -> Result<(), ApiError> {
    let told = match &*error.fault {
        Fault::Exit { command, code } => {
            let message = format!("The command '{command}' returned a non-zero code: {code}");
            progress.tell(ProgressMessage {
                error_detail: Some(ErrorDetail {
                    code: i64::from(*code),
                    message: message.clone(),
                }),
                error: message,
                ..ProgressMessage::default()
            });
            return Ok(());
        }
        _ => chain(error).to_string(),
    };
    Err(ApiError::new(error.kind(), told))
}

/// `POST /build/cancel`.
pub(super) async fn cancel(
    State(engine): State<Arc<Engine>>,
    params: Params,
) -> Result<StatusCode, ApiError> {
    let id = params.text("id");
    if id.is_empty() {
        return Err(ApiError::invalid("build ID not provided"));
    }
    // One that has ended cannot be told from one that never was.
    let _ = engine.builds.cancel(id);
    Ok(StatusCode::OK)
}

/// `X-Registry-Config`: credentials by registry. What cannot be read is nobody's, as in dockerd.
fn credentials(headers: &HeaderMap) -> CredentialsOf {
    let text = headers
        .get("x-registry-config")
        .map(http::HeaderValue::as_bytes);
    let text = text.unwrap_or_default();
    let bytes = URL_SAFE.decode(text).or_else(|_| STANDARD.decode(text));
    let all: HashMap<String, Value> = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let known: HashMap<String, Credentials> = all
        .into_iter()
        .filter_map(|(domain, value)| {
            let credentials = Credentials::from_json(value.to_string().as_bytes()).ok()?;
            let domain = if domain == DOCKER_HUB.0 {
                DOCKER_HUB.1.to_owned()
            } else {
                domain
            };
            Some((domain, credentials))
        })
        .collect();
    Arc::new(move |domain| known.get(domain).cloned().unwrap_or_default())
}
