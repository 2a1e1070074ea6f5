//! Answers without end: events, and what becomes of them when the daemon ends.

use gantry_daemon::events::EventKind;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::server::{Daemon, soon};

fn publish(daemon: &Daemon, action: &str, id: &str) {
    let attributes = [("name", "web"), ("image", "alpine:3")];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
    daemon
        .engine
        .events
        .publish(EventKind::Container, action, id, attributes);
}

async fn next(body: &mut Incoming) -> Option<Vec<Value>> {
    let frame = soon(body.frame()).await?.unwrap();
    let data = frame.into_data().unwrap();
    let lines = data
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    Some(
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_as_they_happen_in_dockers_shape() {
    let daemon = Daemon::start();
    publish(&daemon, "create", "before");
    let answer = soon(daemon.server.send(Request::get("/v1.41/events"), b"")).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let mut body = answer.into_body();
    publish(&daemon, "start", "c1");
    let events = next(&mut body).await.unwrap();
    let event = &events[0];
    assert_eq!(
        (&event["Type"], &event["Action"]),
        (&"container".into(), &"start".into())
    );
    assert_eq!(
        (&event["status"], &event["id"]),
        (&"start".into(), &"c1".into())
    );
    assert_eq!(
        (&event["from"], &event["scope"]),
        (&"alpine:3".into(), &"local".into())
    );
    assert_eq!(event["Actor"]["Attributes"]["name"], "web");
    let (time, nano) = (
        event["time"].as_i64().unwrap(),
        event["timeNano"].as_i64().unwrap(),
    );
    assert_eq!(nano / 1_000_000_000, time);
    publish(&daemon, "die", "c1");
    assert_eq!(next(&mut body).await.unwrap()[0]["Action"], "die");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_in_the_past_ends_and_is_filtered() {
    let daemon = Daemon::start();
    for (action, id) in [
        ("create", "c1"),
        ("start", "c1"),
        ("create", "c2"),
        ("die", "c1"),
    ] {
        publish(&daemon, action, id);
    }
    let now = jiff::Timestamp::now();
    let until = format!("{}.{:09}", now.as_second(), now.subsec_nanosecond());
    publish(&daemon, "destroy", "c1");
    let filters = "%7B%22container%22%3A%5B%22c1%22%5D%7D";
    let path = format!("/events?since=0&until={until}&filters={filters}");
    let answer = soon(daemon.server.get(&path)).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let actions: Vec<_> = events
        .map(|event| event["Action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["create", "start", "die"]);
    for (path, message) in [
        (
            "/events?since=2&until=1",
            "`since` time (2.000000000) cannot be after `until` time (1.000000000)",
        ),
        ("/events?since=x", "invalid value for since: \"x\""),
        (
            "/events?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D",
            "invalid filter 'nope'",
        ),
    ] {
        let answer = soon(daemon.server.get(path)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.message().as_str()),
            (400, message)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_daemon() {
    let daemon = Daemon::start();
    let answer = soon(daemon.server.send(Request::get("/events"), b"")).await;
    let mut body = answer.into_body();
    publish(&daemon, "die", "last");
    daemon.server.closing.cancel();
    let mut seen = Vec::new();
    while let Some(events) = next(&mut body).await {
        seen.extend(events);
    }
    assert_eq!(seen.len(), 1, "what happened before the end is still told");
}
