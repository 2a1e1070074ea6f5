//! An engine of its own on a unix socket, and a client that speaks plain HTTP to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gantry_daemon::config::{Config, Flags};
use gantry_daemon::edge::http as edge;
use gantry_daemon::edge::http::listen::{self, Listener};
use gantry_daemon::edge::http::server::{Limits, serve};
use gantry_daemon::engine::Engine;
use http::StatusCode;
use http::header::HeaderMap;
use http::request::Builder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) socket: PathBuf,
    pub(crate) closing: CancellationToken,
    _dir: tempfile::TempDir,
}

/// An engine and its server.
pub(crate) struct Daemon {
    pub(crate) engine: Arc<Engine>,
    pub(crate) server: Server,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Server {
    /// Serves a router.
    pub(crate) fn start(router: Router, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start_in(dir, router, limits, CancellationToken::new())
    }

    fn start_in(
        dir: tempfile::TempDir,
        router: Router,
        limits: Limits,
        closing: CancellationToken,
    ) -> Self {
        let socket = dir.path().join("api.sock");
        let listener = Listener::Unix(listen::unix(&socket, None).unwrap());
        tokio::spawn(serve(listener, router, limits, closing.clone()));
        Self {
            socket,
            closing,
            _dir: dir,
        }
    }

    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).await.unwrap()
    }

    /// Sends a request on a connection of its own and reads the answer's head.
    pub(crate) async fn send(&self, request: Builder, body: &[u8]) -> http::Response<Incoming> {
        let io = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let body = Full::new(Bytes::copy_from_slice(body));
        let request = request.header("Host", "test").body(body).unwrap();
        sender.send_request(request).await.unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&self, request: Builder, body: &[u8]) -> Answer {
        let (head, body) = self.send(request, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(http::Request::get(path), b"").await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Answer {
        let request = http::Request::post(path).header("Content-Type", "application/json");
        self.ask(request, body.as_bytes()).await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The message of an error.
    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .expect("an error has a message")
            .to_owned()
    }
}

impl Daemon {
    /// An engine with no bridge, no firewall and no supervisor.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(config(dir.path())).unwrap());
        let router = http_router(&engine);
        let closing = engine.closing.clone();
        let server = Server::start_in(dir, router, Limits::default(), closing);
        Self { engine, server }
    }
}

fn http_router(engine: &Arc<Engine>) -> Router {
    edge::router(Arc::clone(engine))
}

pub(crate) fn config(dir: &Path) -> Config {
    let file = dir.join("daemon.json");
    std::fs::write(&file, "{}").unwrap();
    let option = |name: &str, path: &str| format!("--{name}={}", dir.join(path).display());
    let flags = [
        "gantryd".to_owned(),
        option("config-file", "daemon.json"),
        option("data-root", "data"),
        option("exec-root", "exec"),
        option("containerd", "no-supervisor.sock"),
        "--bridge=none".to_owned(),
        "--iptables=false".to_owned(),
        "--ip-forward=false".to_owned(),
    ];
    Config::load(&Flags::parse(flags).unwrap()).unwrap()
}

/// Fails a test that waits for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, future)
        .await
        .expect("an answer within 20 seconds")
}
