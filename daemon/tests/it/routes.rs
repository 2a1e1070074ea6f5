//! Every path of the API: what is answered, what is not built, what does not exist.

use gantry_daemon::edge::http::OPERATIONS_NOT_BUILT;
use http::{Method, Request, StatusCode};

use crate::server::{Daemon, soon};

const OPERATIONS: &str = include_str!("../../../proto/engine-api/facts/operations.txt");

/// `GET /containers/{id}/json` with a name of ours.
fn operations() -> impl Iterator<Item = (Method, String)> {
    let lines = OPERATIONS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (operation, _) = line.split_once(" | ").unwrap();
        let (method, path) = operation.split_once(' ').unwrap();
        let path = path.replace("{id}", "nobody").replace("{name}", "nobody");
        (method.parse().unwrap(), path)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_of_the_api_is_known() {
    let daemon = Daemon::start();
    for (method, path) in operations().filter(|(_, path)| path != "/events") {
        let answer = soon(
            daemon
                .server
                .ask(Request::builder().method(&method).uri(&path), b""),
        )
        .await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("page not found"), "{method} {path}: {text}");
        let bare = answer.status == StatusCode::METHOD_NOT_ALLOWED;
        assert!(!bare, "{method} {path}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_built_says_so() {
    let daemon = Daemon::start();
    for (method, pattern, what) in OPERATIONS_NOT_BUILT {
        let path = format!("/v1.44{}", pattern.replace("**", "a/b").replace('*', "a"));
        let request = Request::builder().method(*method).uri(&path);
        let answer = soon(daemon.server.ask(request, b"")).await;
        assert_eq!(answer.status, 501, "{method} {path}");
        assert_eq!(
            answer.message(),
            format!("{what} is not built yet in Gantry")
        );
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_page_not_found() {
    let daemon = Daemon::start();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/nope"),
        ("GET", "/v1.44/nope"),
        ("GET", "/v1.44"),
        ("GET", "/vx/info"),
        ("DELETE", "/info"),
        ("PATCH", "/containers/json"),
        ("GET", "/images/a/b/c"),
        ("POST", "/images/x/nope"),
    ] {
        let answer = soon(
            daemon
                .server
                .ask(Request::builder().method(method).uri(path), b""),
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), answer.message().as_str()),
            (404, "page not found"),
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_negotiated() {
    let daemon = Daemon::start();
    for (path, status) in [
        ("/_ping", 200),
        ("/v1.24/_ping", 200),
        ("/v1.51/_ping", 200),
        ("/v1.23/_ping", 400),
        ("/v1.52/_ping", 400),
        ("/v2.0/_ping", 400),
        ("/v1.24/version", 200),
    ] {
        let answer = soon(daemon.server.get(path)).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers["api-version"], "1.51", "{path}");
        assert_eq!(answer.headers["ostype"], "linux", "{path}");
    }
    let head = soon(daemon.server.ask(Request::head("/_ping"), b"")).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.headers["builder-version"], "2");
    assert_eq!(head.headers["swarm"], "inactive");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_tells_what_it_is() {
    let daemon = Daemon::start();
    let version = soon(daemon.server.get("/version")).await.json();
    assert_eq!(version["ApiVersion"], "1.51");
    assert_eq!(version["MinAPIVersion"], "1.24");
    assert_eq!(version["Components"][0]["Name"], "Engine");
    let info = soon(daemon.server.get("/info")).await.json();
    assert_eq!(info["ID"], daemon.engine.id);
    assert_eq!(info["OSType"], "linux");
    assert!(info["NCPU"].as_u64().unwrap() > 0 && info["MemTotal"].as_u64().unwrap() > 0);
    assert_eq!(info["Swarm"]["LocalNodeState"], "inactive");
    assert!(info["Containerd"].is_object() && info["FirewallBackend"].is_object());
    let old = soon(daemon.server.get("/v1.30/info")).await.json();
    assert!(old.get("Containerd").is_none() && old.get("FirewallBackend").is_none());
}

/// Paths made of the API's own words, of nonsense and of hostile bytes.
fn random_path() -> String {
    const WORDS: [&str; 26] = [
        "containers",
        "images",
        "networks",
        "volumes",
        "exec",
        "json",
        "create",
        "prune",
        "start",
        "logs",
        "events",
        "info",
        "version",
        "_ping",
        "v1.41",
        "v1.99",
        "system",
        "df",
        "tag",
        "x",
        "..",
        "%2e%2e",
        "%00",
        "%ff",
        "a%2Fb",
        "",
    ];
    let mut path = String::new();
    for _ in 0..fastrand::usize(1..6) {
        path.push('/');
        path.push_str(fastrand::choice(WORDS).unwrap());
    }
    if fastrand::bool() {
        const QUERIES: [&str; 9] = [
            "?",
            "?filters={",
            "?filters=%7B%22a%22%3A1%7D",
            "?since=x&until=y",
            "?limit=-1",
            "?all=%ff",
            "?fromSrc=-&repo=%20",
            "?t=99999999999999999999",
            "?&&==&a",
        ];
        path.push_str(fastrand::choice(QUERIES).unwrap());
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_get_an_answer_and_errors_are_json() {
    let daemon = Daemon::start();
    let seed = std::env::var("GANTRY_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("GANTRY_SEED={seed}");
    fastrand::seed(seed);
    for _ in 0..600 {
        let path = random_path();
        let method = *fastrand::choice(&["GET", "POST", "DELETE", "PUT", "HEAD", "BREW"]).unwrap();
        let body = *fastrand::choice(&["", "{}", "[]", "{\"Image\":1}", "\0"]).unwrap();
        let request = Request::builder().method(method).uri(&path);
        let request = request.header("Content-Type", "application/json");
        // The head alone: some answers never end.
        let answer = soon(daemon.server.send(request, body.as_bytes())).await;
        let status = answer.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED || method == "HEAD" {
            continue;
        }
        let kind = answer
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap());
        assert_eq!(
            kind,
            Some("application/json"),
            "{method} {path} {body}: {status}"
        );
    }
    assert_eq!(soon(daemon.server.get("/_ping")).await.status, 200);
}
