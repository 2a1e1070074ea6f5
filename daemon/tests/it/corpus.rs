//! Replays the fuzz corpus of requests: what `fuzz/fuzz_targets/http_routes.rs` asserts.

use std::path::Path;

use http::Request;

use crate::server::{Daemon, soon};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_corpus_is_answered() {
    let daemon = Daemon::start();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/http_routes");
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (line, body) = text.split_once('\n').unwrap_or((&text, ""));
        let (method, uri) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("Content-Type", "application/json");
        let answer = soon(daemon.server.send(request, body.as_bytes())).await;
        replayed += 1;
        let status = answer.status();
        assert_ne!(status, 500, "{path:?}");
        if status.is_client_error() || status.is_server_error() {
            let kind = answer.headers().get("content-type");
            assert_eq!(kind.unwrap(), "application/json", "{path:?}: {status}");
        }
    }
    assert!(replayed >= 30, "the corpus is missing");
    assert_eq!(soon(daemon.server.get("/_ping")).await.status, 200);
}
