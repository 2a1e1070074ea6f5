//! Taking a connection over: the client's own socket, its early bytes, half-closes, old clients.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::Response;
use axum::routing::post;
use gantry_daemon::edge::http::error::ApiError;
use gantry_daemon::edge::http::hijack::{Hijack, PendingStream};
use gantry_daemon::edge::http::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Server, soon};

/// Reads stdin to its end, then answers with it in capitals and closes.
async fn shout(hijack: Hijack) -> Result<Response, ApiError> {
    let (response, stream) = hijack.accept("application/vnd.docker.raw-stream")?;
    tokio::spawn(serve(stream));
    Ok(response)
}

async fn serve(stream: PendingStream) {
    let stream = stream.stream().await.unwrap();
    let echo = move || {
        // As the shim does: the descriptor alone, in another place than the server's reactor.
        let mut socket = StdUnixStream::from(stream.socket);
        socket.set_nonblocking(false).unwrap();
        let mut text = stream.prefix.to_vec();
        socket.read_to_end(&mut text).unwrap();
        socket.write_all(&text.to_ascii_uppercase()).unwrap();
    };
    tokio::task::spawn_blocking(echo).await.unwrap();
}

fn server() -> Server {
    Server::start(
        Router::new().route("/shout", post(shout)),
        Limits::default(),
    )
}

#[tokio::test]
async fn an_upgrade_gives_the_socket_with_its_early_bytes_and_half_closes() {
    let server = server();
    let mut client = server.connect().await;
    // The first bytes of stdin come in the same write as the request.
    let request = "POST /v1.41/shout HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                   Upgrade: tcp\r\nContent-Length: 0\r\n\r\nhello ";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon(client.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(answer).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    for header in [
        "upgrade: tcp",
        "connection: upgrade",
        "application/vnd.docker.raw-stream",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    client.write_all(b"world").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    soon(client.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "HELLO WORLD");
}

/// For so long at most an engine waits for the head to be read.
const HEAD_UNREAD: Duration = Duration::from_millis(500);

#[tokio::test]
async fn the_stream_begins_when_the_head_has_been_read() {
    let (told, mut began) = tokio::sync::mpsc::unbounded_channel();
    let tell = move |hijack: Hijack| async move {
        let (response, stream) = hijack.accept("application/vnd.docker.raw-stream")?;
        tokio::spawn(async move { told.send(stream.stream().await.is_ok()) });
        Ok::<_, ApiError>(response)
    };
    let server = Server::start(Router::new().route("/tell", post(tell)), Limits::default());
    let request = "POST /tell HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    let patience = Duration::from_secs(60);
    let start = Instant::now();
    loop {
        let mut client = server.connect().await;
        let asked = Instant::now();
        client.write_all(request.as_bytes()).await.unwrap();
        soon(client.readable()).await.unwrap();
        // What docker-py would lose is what comes while the head lies there.
        let early = tokio::time::timeout(Duration::from_millis(50), began.recv()).await;
        if early.is_ok() && asked.elapsed() >= HEAD_UNREAD && start.elapsed() < patience {
            // This machine was too busy to look before the engine gave up waiting.
            continue;
        }
        assert!(early.is_err(), "nobody has read the head");
        let mut head = [0; 4096];
        assert!(client.read(&mut head).await.unwrap() > 0);
        assert_eq!(soon(began.recv()).await, Some(true));
        return;
    }
}

#[tokio::test]
async fn a_client_that_does_not_upgrade_is_streamed_to() {
    let server = server();
    let answer = soon(server.ask(http::Request::post("/shout"), b"")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.headers["content-type"],
        "application/vnd.docker.raw-stream"
    );
    // Such a client has no way to send stdin: the stream saw its end at once.
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn a_client_that_is_gone_before_the_answer_is_no_stream() {
    let server = server();
    for _ in 0..20 {
        let mut client = server.connect().await;
        let request =
            "POST /shout HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        drop(client);
    }
    let answer = soon(server.ask(http::Request::post("/shout"), b"")).await;
    assert_eq!(answer.status, 200);
}
