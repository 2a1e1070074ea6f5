//! A request of any method, path, query and body, to an engine without a supervisor: every answer is
//! a success or says in JSON what is wrong.
//!
//! The bytes: a line `METHOD URI`, then the body. Run it in a machine to throw away: an image that it
//! manages to load could be made a container with binds, whose sources are made on the host.
#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use gantry_daemon::config::{Config, Flags};
use gantry_daemon::edge::http;
use gantry_daemon::engine::Engine;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

struct Server {
    runtime: Runtime,
    router: Router,
    _dir: tempfile::TempDir,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("daemon.json"), "{}").expect("a configuration");
        let option = |name: &str, path: &str| format!("--{name}={}", dir.path().join(path).display());
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
        let runtime = Runtime::new().expect("a runtime");
        let _inside = runtime.enter();
        let config = Config::load(&Flags::parse(flags).expect("flags")).expect("a configuration");
        let engine = Arc::new(Engine::open(config).expect("an engine"));
        let router = http::router(engine);
        drop(_inside);
        Server {
            runtime,
            router,
            _dir: dir,
        }
    })
}

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Ok(line) = std::str::from_utf8(&bytes[..end]) else {
        return;
    };
    let Some((method, uri)) = line.split_once(' ') else {
        return;
    };
    let body = bytes.get(end + 1..).unwrap_or_default().to_vec();
    let request = axum::http::Request::builder()
        .method(method)
        .uri(uri)
        .header("Content-Type", "application/json")
        .body(Body::from(body));
    let Ok(request) = request else {
        return;
    };
    let server = server();
    server.runtime.block_on(async {
        let answer = http::answer(server.router.clone(), request);
        let limit = Duration::from_secs(20);
        let answer = tokio::time::timeout(limit, answer).await.expect("an answer");
        if answer.status().is_client_error() || answer.status().is_server_error() {
            let kind = answer.headers().get("content-type").map(|kind| kind.as_bytes());
            assert!(method == "HEAD" || kind == Some(b"application/json"));
        }
    });
});
