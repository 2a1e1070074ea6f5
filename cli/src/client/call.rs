//! One call of the API: method, path, query, body.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use bytes::Bytes;
use gantry_probe::trace;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Empty, Full};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connect::{Body, Sender, connect};
use super::error::ClientError;
use super::hijack::Hijacked;
use super::reply::Reply;
use crate::config::Host;

/// The newest API version this client knows.
const NEWEST: Version = Version(1, 51);

/// What stays readable in a path: everything of names, tags and digests.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'+')
    .remove(b'=')
    .remove(b'$')
    .remove(b'&');
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A version of the API: major, minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u16, pub(crate) u16);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim_start_matches('v').split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A client of one engine.
#[derive(Debug)]
pub(crate) struct Client {
    host: Host,
    version: Cell<Option<Version>>,
    /// Connections whose last answer may have been read to its end.
    idle: RefCell<Vec<Sender>>,
}

impl Client {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            version: Cell::new(None),
            idle: RefCell::default(),
        }
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Call<'_> {
        Call::new(self, Method::GET, path.into())
    }

    pub(crate) fn head(&self, path: impl Into<String>) -> Call<'_> {
        Call::new(self, Method::HEAD, path.into())
    }

    pub(crate) fn post(&self, path: impl Into<String>) -> Call<'_> {
        Call::new(self, Method::POST, path.into())
    }

    pub(crate) fn put(&self, path: impl Into<String>) -> Call<'_> {
        Call::new(self, Method::PUT, path.into())
    }

    pub(crate) fn delete(&self, path: impl Into<String>) -> Call<'_> {
        Call::new(self, Method::DELETE, path.into())
    }

    /// The version both sides speak; asks the engine once.
    pub(crate) async fn version(&self) -> Result<Version, ClientError> {
        if let Some(version) = self.version.get() {
            return Ok(version);
        }
        let wanted = std::env::var("DOCKER_API_VERSION").ok();
        let version = match wanted.as_deref().and_then(Version::parse) {
            Some(version) => version,
            None => self.ping().await?.min(NEWEST),
        };
        self.version.set(Some(version));
        Ok(version)
    }

    /// `HEAD /_ping`, and `GET` for engines and proxies that refuse it.
    pub(crate) async fn ping(&self) -> Result<Version, ClientError> {
        let headers = match self.head("/_ping").transmit("").await {
            Ok(reply) if reply.status().is_success() => reply.headers().clone(),
            Err(error @ (ClientError::Connect { .. } | ClientError::ConnectDenied { .. })) => {
                return Err(error);
            }
            _ => {
                let reply = self.get("/_ping").transmit("").await?.accept().await?;
                let headers = reply.headers().clone();
                reply.bytes().await?;
                headers
            }
        };
        Ok(api_version(&headers))
    }

    async fn sender(&self) -> Result<Sender, ClientError> {
        // Bound first: the pool must not stay borrowed while anything waits.
        let pooled = self.idle.borrow_mut().pop();
        if let Some(sender) = pooled {
            // The connection's task may not have noticed yet that the last answer is over.
            for _ in 0..3 {
                if sender.is_ready() {
                    return Ok(sender);
                }
                tokio::task::yield_now().await;
            }
            // Its answer is still being read (`wait`), or it is closed: leave it to its reader.
        }
        connect(&self.host).await
    }
}

/// Engines older than negotiation speak 1.24.
fn api_version(headers: &HeaderMap) -> Version {
    headers
        .get("api-version")
        .and_then(|value| value.to_str().ok())
        .and_then(Version::parse)
        .unwrap_or(Version(1, 24))
}

/// A call being built.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Option<Body>,
}

impl<'a> Call<'a> {
    fn new(client: &'a Client, method: Method, path: String) -> Self {
        Self {
            client,
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
        }
    }

    /// Adds `key=value`.
    pub(crate) fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    /// Adds `key=1` where `on`; the API takes absence as false.
    pub(crate) fn flag(self, key: &'static str, on: bool) -> Self {
        if on { self.query(key, "1") } else { self }
    }

    /// Adds `key=value` where there is a value.
    pub(crate) fn maybe(self, key: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).expect("request bodies have string keys only");
        self.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self.body = Some(
            Full::new(Bytes::from(bytes))
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
        self
    }

    /// Streams `body`, chunked.
    pub(crate) fn stream(mut self, body: Body, kind: &'static str) -> Self {
        self.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.body = Some(body);
        self
    }

    /// Sends the call; an answer of 400 and above becomes the engine's error.
    pub(crate) async fn send(self) -> Result<Reply, ClientError> {
        self.dispatch().await?.accept().await
    }

    /// Sends the call and reads the answer's JSON.
    pub(crate) async fn fetch<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let what = self.describe();
        let bytes = self.send().await?.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|cause| ClientError::Answer { what, cause })
    }

    /// Sends the call and reads the answer as it is.
    pub(crate) async fn value(self) -> Result<Value, ClientError> {
        self.fetch().await
    }

    /// Sends the call and reads its answer to the end, unlooked at.
    pub(crate) async fn done(self) -> Result<(), ClientError> {
        self.send().await?.bytes().await.map(drop)
    }

    /// Sends the call and takes the connection over.
    pub(crate) async fn hijack(mut self) -> Result<Hijacked, ClientError> {
        self.headers
            .insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        self.headers
            .insert(header::UPGRADE, HeaderValue::from_static("tcp"));
        if !self.headers.contains_key(header::CONTENT_TYPE) {
            self.headers
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        let what = self.describe();
        let reply = self.send().await?;
        reply.hijack(what).await
    }

    /// Sends the call and hands back any answer but a broken connection.
    pub(crate) async fn dispatch(self) -> Result<Reply, ClientError> {
        let version = self.client.version().await?;
        self.transmit(&format!("/v{version}")).await
    }

    /// Sends the call to a path that begins with `prefix`.
    async fn transmit(mut self, prefix: &str) -> Result<Reply, ClientError> {
        let target = self.target(prefix);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header(header::HOST, "docker");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request = request.header(
            header::USER_AGENT,
            concat!("Gantry-Client/", env!("CARGO_PKG_VERSION")),
        );
        let body = self.body.take().unwrap_or_else(empty);
        let request = request.body(body).map_err(ClientError::Request)?;
        let _phase = trace::phase(format!("{} {}", self.method, self.path));
        let mut sender = self.client.sender().await?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(ClientError::Transport)?;
        self.client.idle.borrow_mut().push(sender);
        Ok(Reply::new(answer))
    }

    fn describe(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// `/v1.51/path?key=value…`, keys in order, as docker writes it.
    fn target(&mut self, prefix: &str) -> String {
        let mut target = prefix.to_owned();
        target.extend(utf8_percent_encode(&self.path, PATH));
        self.query.sort_by(|a, b| a.0.cmp(b.0));
        for (index, (key, value)) in self.query.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            let _ = write!(target, "{mark}{key}={}", utf8_percent_encode(value, QUERY));
        }
        target
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(Version::parse("1.9") < Version::parse("1.24"));
        assert_eq!(Version::parse("v1.51"), Some(Version(1, 51)));
        assert_eq!(Version::parse("one"), None);
    }

    #[test]
    fn targets_are_escaped_and_sorted() {
        let client = Client::new(Host::Unix("/nowhere".into()));
        let mut call = client
            .post("/images/a.b/c d:1/tag")
            .query("tag", "x y")
            .query("repo", "a/b")
            .flag("force", false);
        assert_eq!(
            call.target("/v1.51"),
            "/v1.51/images/a.b/c%20d:1/tag?repo=a%2Fb&tag=x%20y"
        );
    }
}
