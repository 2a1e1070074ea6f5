//! Clients that send too much, too slowly, or the wrong thing.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use gantry_daemon::edge::http::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Daemon, Server, soon};

#[tokio::test(flavor = "multi_thread")]
async fn long_heads_are_refused_with_a_message_and_absurd_ones_without() {
    let daemon = Daemon::start();
    for (bytes, has_message) in [(70 << 10, true), (8 << 20, false)] {
        let mut client = daemon.server.connect().await;
        let head = format!(
            "GET /_ping HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
            "a".repeat(bytes)
        );
        // The server may answer and close before it has read everything.
        let _ = client.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"}")
            && soon(client.read_buf(&mut answer))
                .await
                .is_ok_and(|n| n > 0)
        {}
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{bytes}: {answer}");
        assert_eq!(answer.contains("{\"message\":"), has_message, "{answer}");
    }
    assert_eq!(daemon.server.get("/_ping").await.status, 200);
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_let_go() {
    let limits = Limits {
        head_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = Server::start(Router::new().route("/", get(|| async { "ok" })), limits);
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    // Others are served in the meantime.
    assert_eq!(soon(server.get("/")).await.status, 200);
    let mut rest = Vec::new();
    soon(slow.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_long_or_no_json_are_refused() {
    let daemon = Daemon::start();
    let server = &daemon.server;
    let long = format!("{{\"Image\":\"{}\"}}", "a".repeat(5 << 20));
    for (body, message) in [
        (long.as_str(), "request body is larger than 4 MiB"),
        ("", "invalid JSON: got EOF while reading request body"),
        ("{", "invalid JSON: EOF while parsing an object"),
        ("{} x", "invalid JSON: trailing characters"),
        (
            r#"{"HostConfig":{"Memory":"lots"}}"#,
            "invalid JSON: HostConfig.Memory: invalid type: string",
        ),
        (
            r#"{"Env":{"A":"b"}}"#,
            "invalid JSON: Env: invalid type: map",
        ),
        (
            r#"{"HostConfig":{"UsernsMode":"private"}}"#,
            "HostConfig.UsernsMode is not supported",
        ),
    ] {
        let answer = soon(server.post_json("/containers/create", body)).await;
        assert!(
            answer.status == 400 || answer.status == 501,
            "{}",
            answer.status
        );
        assert!(
            answer.message().starts_with(message),
            "{}",
            answer.message()
        );
    }
    let request = http::Request::post("/containers/create").header("Content-Type", "text/plain");
    let answer = soon(server.ask(request, b"{}")).await;
    assert_eq!(
        answer.message(),
        "unsupported Content-Type header (text/plain): must be 'application/json'"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_types_are_refused_with_the_fields_name() {
    let daemon = Daemon::start();
    for (path, body, field) in [
        ("/containers/create", r#"{"Image":7}"#, "Image"),
        ("/containers/create", r#"{"Labels":["a"]}"#, "Labels"),
        ("/containers/create", r#"{"HostConfig":[]}"#, "HostConfig"),
        (
            "/containers/create",
            r#"{"HostConfig":{"Ulimits":[{"Name":"nofile","Soft":"x"}]}}"#,
            "HostConfig.Ulimits",
        ),
        (
            "/containers/create",
            r#"{"HostConfig":{"Memory":1e40}}"#,
            "HostConfig.Memory",
        ),
        ("/containers/x/update", r#"{"CpuShares":"x"}"#, "CpuShares"),
        (
            "/containers/x/update",
            r#"{"RestartPolicy":{"MaximumRetryCount":"x"}}"#,
            "RestartPolicy.MaximumRetryCount",
        ),
        ("/containers/x/exec", r#"{"Tty":"yes"}"#, "Tty"),
        ("/volumes/create", r#"{"Name":{}}"#, "Name"),
    ] {
        let answer = soon(daemon.server.post_json(path, body)).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        let wanted = format!("invalid JSON: {field}");
        assert!(
            answer.message().starts_with(&wanted),
            "{}",
            answer.message()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_its_body_slowly_holds_up_nobody() {
    let daemon = Daemon::start();
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut client = daemon.server.connect().await;
        let head = "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 1000\r\n\r\n{\"Image\":";
        client.write_all(head.as_bytes()).await.unwrap();
        slow.push(client);
    }
    assert_eq!(soon(daemon.server.get("/_ping")).await.status, 200);
    // A body that ends early is no body.
    let mut client = slow.pop().unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon(client.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert_eq!(soon(daemon.server.get("/info")).await.status, 200);
}
