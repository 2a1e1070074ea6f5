//! The image side of the edge: clients that leave, bodies that come late, platforms, the index.

use std::time::Duration;

use http::Request;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Daemon, soon};

/// A registry or index on a loopback port.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// The path of the next request of a connection.
async fn asked(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let mut line = String::new();
    while stream.read_line(&mut line).await.ok()? > 0 && line != "\r\n" {
        line.clear();
    }
    first.split(' ').nth(1).map(str::to_owned)
}

async fn answer(stream: &mut BufReader<TcpStream>, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_pull_along() {
    let daemon = Daemon::start();
    let (registry, address) = listen().await;
    let path = format!("/v1.51/images/create?fromImage={address}/slow&tag=1");
    let mut client = daemon.server.connect().await;
    let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    // TLS is tried first; the registry says nothing to either.
    let (mut held, _) = soon(registry.accept()).await.unwrap();
    let mut hello = [0; 16];
    soon(held.read(&mut hello)).await.unwrap();
    drop(client);
    let mut rest = Vec::new();
    // An end or a reset: the connection to the registry is given up.
    drop(soon(held.read_to_end(&mut rest)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_end_comes_late_does_not_break_the_connection() {
    let daemon = Daemon::start();
    let mut client = daemon.server.connect().await;
    for _ in 0..3 {
        let head = "POST /v1.51/images/127.0.0.1:1/nope/push?tag=1 HTTP/1.1\r\nHost: x\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        let mut told = Vec::new();
        // The whole answer is there before the request's end is sent.
        while !told.ends_with(b"0\r\n\r\n") {
            let mut buffer = [0; 4096];
            let length = soon(client.read(&mut buffer)).await.unwrap();
            assert!(
                length > 0,
                "closed after {}",
                String::from_utf8_lossy(&told)
            );
            told.extend_from_slice(&buffer[..length]);
        }
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains("An image does not exist locally"), "{told}");
        client.write_all(b"0\r\n\r\n").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_searched() {
    let daemon = Daemon::start();
    let (index, address) = listen().await;
    let serving = tokio::spawn(async move {
        let mut paths = Vec::new();
        while paths.len() < 2 {
            let (stream, _) = index.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            while let Some(path) = asked(&mut stream)
                .await
                .filter(|path| path.starts_with("/v1/"))
            {
                let found = json!({"results": [
                    {"star_count": 7, "is_official": true, "name": "box", "description": "a box"},
                    {"star_count": 2, "name": "me/box", "is_automated": true},
                ]});
                let body = if path.contains("search") {
                    found.to_string()
                } else {
                    String::new()
                };
                answer(&mut stream, 200, &body).await;
                paths.push(path);
                if paths.len() == 2 {
                    break;
                }
            }
        }
        paths
    });
    let filters = "%7B%22stars%22%3A%5B%225%22%5D%7D";
    let path = format!("/v1.51/images/search?term={address}/box&filters={filters}");
    let found = soon(daemon.server.get(&path)).await;
    let expected = json!([{"star_count": 7, "is_official": true, "name": "box",
        "is_automated": false, "description": "a box"}]);
    assert_eq!(found.json(), expected);
    assert_eq!(
        soon(serving).await.unwrap(),
        ["/v1/_ping", "/v1/search?q=box&n=25"]
    );
    for (query, told) in [
        (
            "term=http://x/box",
            "invalid repository name: repository name (http://x/box) should not have a scheme",
        ),
        (
            "term=x&limit=200",
            "limit 200 is outside the range of [1, 100]",
        ),
        (
            "term=x&filters=%7B%22foo%22%3A%5B%221%22%5D%7D",
            "invalid filter 'foo'",
        ),
    ] {
        let refused = daemon
            .server
            .get(&format!("/v1.51/images/search?{query}"))
            .await;
        assert_eq!(
            (refused.status.as_u16(), refused.message()),
            (400, told.to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_filesystem_is_imported_from_an_address() {
    let daemon = Daemon::start();
    let (server, address) = listen().await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    tar.append_data(&mut header, "file", &b"bytes"[..]).unwrap();
    let tar = String::from_utf8(tar.into_inner().unwrap()).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = server.accept().await {
            let mut stream = BufReader::new(stream);
            while let Some(path) = asked(&mut stream).await {
                match path.as_str() {
                    "/rootfs.tar" => answer(&mut stream, 200, &tar).await,
                    _ => answer(&mut stream, 404, "no").await,
                }
            }
        }
    });
    let create = |query: String| Request::post(format!("/v1.51/images/create?{query}"));
    let query = format!("fromSrc=http://{address}/rootfs.tar&repo=imp&tag=1&changes=CMD%20me");
    let told = soon(daemon.server.ask(create(query), b"")).await;
    let told = String::from_utf8_lossy(&told.body).into_owned();
    let first = format!("{{\"status\":\"Downloading from http://{address}/rootfs.tar\"}}");
    assert!(
        told.starts_with(&first) && told.contains("sha256:"),
        "{told}"
    );
    let image = daemon.server.get("/v1.51/images/imp:1/json").await.json();
    let comment = format!("Imported from http://{address}/rootfs.tar");
    assert_eq!(
        (&image["Comment"], &image["Config"]["Cmd"][2]),
        (&json!(comment), &json!("me"))
    );
    let explained = daemon
        .server
        .get("/v1.51/images/imp:1/explain")
        .await
        .json();
    let layer = &explained["Layers"][0];
    assert_eq!(
        (&layer["Size"], &layer["Files"], &layer["Wasted"]),
        (&json!(5), &json!(1), &json!(0))
    );
    for (source, status, words) in [
        (
            format!("http://{address}/nope"),
            404,
            "/nope with status 404 Not Found: no",
        ),
        (
            "ftp://127.0.0.1/x".to_owned(),
            400,
            "unsupported protocol scheme \"ftp\"",
        ),
    ] {
        let refused = soon(daemon.server.ask(create(format!("fromSrc={source}")), b"")).await;
        let message = refused.message();
        assert!(
            refused.status.as_u16() == status && message.ends_with(words),
            "{message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_are_asked_for_in_dockers_words() {
    let daemon = Daemon::start();
    let empty = [0; 1024];
    let request =
        Request::post("/v1.51/images/create?fromSrc=-&repo=imp&tag=1&platform=linux/s390x");
    soon(daemon.server.ask(request, &empty)).await;
    let arm = "%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22arm64%22%7D";
    let mismatch = "image with reference imp:1 was found but its platform (linux/s390x) does not \
                    match the specified platform (linux/arm64)";
    for (path, status, told) in [
        (format!("/images/imp:1/json?platform={arm}"), 404, mismatch),
        (
            format!("/images/imp:1/history?platform={arm}"),
            404,
            mismatch,
        ),
        (
            format!("/images/imp:1/get?platform={arm}"),
            404,
            "no suitable export target found for platform linux/arm64",
        ),
        (
            format!("/images/imp:1/json?manifests=1&platform={arm}"),
            400,
            "conflicting options: manifests and platform options cannot both be set",
        ),
        (
            "/images/imp:1/json?platform=%7B%22os%22%3A%22x%22%7D".to_owned(),
            400,
            "both OS and Architecture must be provided",
        ),
    ] {
        let refused = daemon.server.get(&format!("/v1.51{path}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.message().as_str()),
            (status, told),
            "{path}"
        );
    }
    let listed = daemon.server.get("/v1.51/images/json").await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    tokio::time::timeout(
        Duration::from_secs(20),
        daemon.server.get("/v1.51/images/imp:1/json?manifests=1"),
    )
    .await
    .unwrap();
}
