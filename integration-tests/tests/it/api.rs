//! The API as clients without a command line meet it: versions, errors, what is not built.

use integration_tests::http::Http;
use integration_tests::{Engine, Kind};

#[test]
fn versions_are_negotiated() {
    let engine = Engine::start();
    let mut http = Http::connect(&engine.socket());
    let version = http.call("GET", "/version", "").json();
    assert_eq!(version["ApiVersion"], "1.51");
    assert_eq!(version["MinAPIVersion"], "1.24");
    assert_eq!(http.call("GET", "/v1.24/_ping", "").body, b"OK");
    let new = http.call("GET", "/v1.99/_ping", "");
    assert_eq!(new.status, 400);
    let text = new.json()["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    assert!(
        text.contains("client version 1.99 is too new. Maximum supported API version is 1.51"),
        "{text}"
    );
    let old = http.call("GET", "/v1.12/_ping", "");
    assert_eq!(old.status, 400);
    engine.finish();
}

#[test]
fn bad_requests_name_what_is_wrong_and_change_nothing() {
    let engine = Engine::start();
    let mut http = Http::connect(&engine.socket());
    for (body, status) in [
        ("{", 400),
        ("{\"Image\":7}", 400),
        ("{\"Cmd\":\"x\",\"HostConfig\":{\"Memory\":\"much\"}}", 400),
        ("{\"Image\":\"nosuch\"}", 404),
    ] {
        let answer = http.call("POST", "/v1.47/containers/create", body);
        assert_eq!(
            answer.status,
            status,
            "{body}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        assert!(
            !answer.json()["message"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        );
    }
    assert_eq!(http.call("GET", "/nosuch", "").status, 404);
    assert_eq!(
        http.call("POST", "/v1.47/containers/nosuch/start", "")
            .status,
        404
    );
    assert_eq!(
        http.call("GET", "/v1.47/containers/json?filters=[", "")
            .status,
        400
    );
    assert_eq!(
        http.call("GET", "/v1.47/containers/json?all=1", "").body,
        b"[]\n"
    );
    engine.finish();
}

#[test]
fn what_is_not_built_says_so() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock dockerd has all of it.
        return engine.finish();
    }
    let mut http = Http::connect(&engine.socket());
    for (method, path) in [
        ("POST", "/build?version=2"),
        ("POST", "/swarm/join"),
        ("POST", "/swarm/init"),
    ] {
        let answer = http.call(method, path, "{}");
        assert_eq!(answer.status, 501, "{path}");
        assert!(
            answer.json()["message"]
                .as_str()
                .is_some_and(|m| m.contains("not")),
            "{path}"
        );
    }
    assert_eq!(
        engine.docker().run(&["ps", "-aq"]).ok(),
        "",
        "nothing was created"
    );
    engine.finish();
}
