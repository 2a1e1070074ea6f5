//! What `/events` tells of a container's life, as stock dockerd tells it, and that it tells it once.

use std::time::Duration;

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};
use serde_json::Value;

/// The events about a container so far, its networks' and volumes' too: type, action, and the
/// attributes that tell more than who it is.
fn told(engine: &Engine, id: &str) -> Vec<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("a clock past 1970").as_secs_f64();
    let path = format!("/events?since=0&until={now:.9}");
    let answer = Http::connect(&engine.socket()).call("GET", &path, "");
    let lines = String::from_utf8(answer.body).expect("text");
    let events = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"));
    let about = |event: &Value| {
        event["Actor"]["ID"] == id || event["Actor"]["Attributes"]["container"] == id
    };
    events.filter(about).map(|event| shown(&event)).collect()
}

fn shown(event: &Value) -> String {
    const KNOWN: [&str; 8] = [
        "image",
        "container",
        "execID",
        "execDuration",
        "driver",
        "type",
        "propagation",
        "labelled",
    ];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&event["Type"]);
    let mut words = vec![kind.clone(), text(&event["Action"]).trim_end().to_owned()];
    let attributes = event["Actor"]["Attributes"].as_object().expect("an object");
    for (key, value) in attributes {
        let own_name = key == "name" && kind == "container";
        if !own_name && !KNOWN.contains(&key.as_str()) {
            words.push(format!("{key}={}", text(value)));
        }
    }
    if kind == "container" {
        assert_eq!(attributes["image"], BUSYBOX, "{event}");
        assert!(!text(&attributes["name"]).is_empty(), "{event}");
        assert_eq!(event["status"], event["Action"], "{event}");
        assert_eq!(event["from"], BUSYBOX, "{event}");
    }
    words.join(" ")
}

/// Waits until an event is told, and gives all so far.
fn until_told(engine: &Engine, id: &str, last: &str) -> Vec<String> {
    eventually(last, Duration::from_secs(10), || {
        let events = told(engine, id);
        events.iter().any(|event| event == last).then_some(events)
    })
}

/// `stop` is told by whoever waited for the end, beside the end itself: it has no place among them.
fn without_stop(events: &[String]) -> Vec<&str> {
    let events = events.iter().map(String::as_str);
    events.filter(|event| *event != "container stop").collect()
}

const CONNECT: &str = "network connect name=bridge";
const DISCONNECT: &str = "network disconnect name=bridge";

#[test]
fn a_run_is_told_from_create_to_destroy() {
    let engine = Engine::start();
    let docker = engine.docker();
    let cid = engine.dir().join("cid");
    let file = cid.to_string_lossy();
    let run = [
        "run",
        "--rm",
        "--cidfile",
        &file,
        "-v",
        "/anonymous",
        "-v",
        "named:/n:ro",
    ];
    let answer = docker.run(&[&run[..], &[BUSYBOX, "sh", "-c", "exit 3"]].concat());
    assert_eq!(answer.code, 3, "{answer:?}");
    let id = std::fs::read_to_string(&cid).expect("the id");
    let mut events = until_told(&engine, &id, "container destroy");
    // Volumes are mounted in no order.
    events.sort_by_key(|event| event.starts_with("volume"));
    let (volumes, rest): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| event.starts_with("volume"));
    assert_eq!(
        rest,
        [
            "container create",
            "container attach",
            CONNECT,
            "container start",
            DISCONNECT,
            "container die exitCode=3",
            "container destroy"
        ]
    );
    let mut volumes: Vec<&str> = volumes.iter().map(|event| event.as_str()).collect();
    volumes.sort_unstable();
    assert_eq!(
        volumes,
        [
            "volume mount destination=/anonymous read/write=true",
            "volume mount destination=/n read/write=false",
            "volume unmount",
            "volume unmount"
        ]
    );
    docker.run(&["volume", "rm", "named"]).ok();
    engine.finish();
}

#[test]
fn what_is_done_to_a_container_is_told() {
    let engine = Engine::start();
    let docker = engine.docker();
    let script = "trap 'exit 9' HUP; while :; do usleep 10000; done";
    let run = ["run", "-d", "--name", "cc", BUSYBOX, "sh", "-c", script];
    let id = docker.run(&run).ok();
    for command in [
        &["exec", "cc", "true"][..],
        &["pause", "cc"],
        &["unpause", "cc"],
        &["rename", "cc", "other"],
        &["update", "--cpu-shares", "100", "other"],
        &["top", "other"],
        &["kill", "-s", "HUP", "other"],
    ] {
        docker.run(command).ok();
    }
    let told_of_hup = until_told(&engine, &id, "container die exitCode=9");
    assert_eq!(
        told_of_hup,
        [
            "container create",
            CONNECT,
            "container start",
            "container exec_create: true",
            "container exec_start: true",
            "container exec_die exitCode=0",
            "container pause",
            "container unpause",
            "container rename oldName=/cc",
            "container update",
            "container top",
            "container kill signal=1",
            DISCONNECT,
            "container die exitCode=9"
        ]
    );
    docker.run(&["start", "other"]).ok();
    docker.run(&["restart", "-t", "0", "other"]).ok();
    docker.run(&["stop", "-t", "0", "other"]).ok();
    let events = until_told(&engine, &id, "container stop");
    let events = &events[told_of_hup.len()..];
    let stops = events.iter().filter(|event| *event == "container stop");
    assert_eq!(stops.count(), 2, "{events:?}");
    let stop = [
        "container kill signal=15",
        "container kill signal=9",
        DISCONNECT,
        "container die exitCode=137",
    ];
    let start = [CONNECT, "container start"];
    let mut expected = start.to_vec();
    expected.extend(stop);
    expected.extend(start);
    expected.push("container restart");
    expected.extend(stop);
    assert_eq!(without_stop(events), expected);
    engine.finish();
}

#[test]
fn a_start_that_fails_and_an_end_of_memory_are_told() {
    let engine = Engine::start();
    let docker = engine.docker();
    let id = docker.run(&["create", BUSYBOX, "/nosuch"]).ok();
    assert_eq!(docker.run(&["start", &id]).code, 1);
    assert_eq!(
        until_told(&engine, &id, DISCONNECT),
        ["container create", DISCONNECT]
    );
    let fill = "x=$(cat /dev/zero | tr '\\0' a)";
    let limited = ["create", "-m", "8m", "--memory-swap", "8m", BUSYBOX];
    let id = docker
        .run(&[&limited[..], &["sh", "-c", fill]].concat())
        .ok();
    docker.run(&["start", &id]).ok();
    assert_eq!(docker.run(&["wait", &id]).ok(), "137");
    let events = until_told(&engine, &id, "container die exitCode=137");
    assert!(
        events.iter().any(|event| event == "container oom"),
        "{events:?}"
    );
    let killed = ["inspect", "-f", "{{.State.OOMKilled}}", &id];
    assert_eq!(docker.run(&killed).ok(), "true");
    engine.finish();
}

#[test]
fn each_event_is_told_once_across_deaths_of_the_daemon() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock dockerd forgets all events when it ends.
        return engine.finish();
    }
    let docker = engine.docker();
    let fill = "until [ -e /go ]; do usleep 9999; done; x=$(cat /dev/zero | tr '\\0' a); exit 9";
    let run = [
        "run",
        "-d",
        "-m",
        "8m",
        "--memory-swap",
        "8m",
        "--name",
        "cc",
        BUSYBOX,
    ];
    let id = docker.run(&[&run[..], &["sh", "-c", fill]].concat()).ok();
    let pid = docker.run(&["inspect", "-f", "{{.State.Pid}}", "cc"]).ok();
    let root = format!("/proc/{pid}/root/go");
    engine.kill_daemon();
    engine.kill_supervisor();
    std::fs::write(root, "").expect("the container's own file");
    eventually("the container has ended", Duration::from_secs(20), || {
        (!std::path::Path::new("/proc").join(&pid).exists()).then_some(())
    });
    engine.start_daemon();
    assert_eq!(docker.run(&["wait", "cc"]).ok(), "137");
    let killed = ["inspect", "-f", "{{.State.OOMKilled}}", "cc"];
    assert_eq!(
        docker.run(&killed).ok(),
        "true",
        "memory ran out while all were dead"
    );
    let first = until_told(&engine, &id, "container die exitCode=137");
    assert!(
        first.iter().any(|event| event == "container oom"),
        "{first:?}"
    );
    for _ in 0..2 {
        engine.kill_daemon();
        engine.start_daemon();
        assert_eq!(told(&engine, &id), first, "neither lost nor told again");
    }
    let starts = first.iter().filter(|event| *event == "container start");
    assert_eq!(starts.count(), 1);
    engine.finish();
}

/// What an engine leaves that died between an act and its telling: as if the last event had not been told.
fn untell(engine: &Engine, action: &str) {
    let path = engine.exec_root().join("events.json");
    let text = std::fs::read_to_string(&path).expect("the events that were told");
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().expect("an event");
    assert!(last.contains(&format!("\"{action}\"")), "{last}");
    let kept: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(path, kept).expect("events are kept");
}

#[test]
fn networks_joined_and_left_are_told_by_the_next_engine_if_the_last_could_not() {
    let mut engine = Engine::of(Kind::Gantry, &[]);
    let docker = engine.docker();
    docker.run(&["network", "create", "net"]).ok();
    let run = ["run", "-d", "--name", "one", BUSYBOX, "sleep", "1000"];
    let id = docker.run(&run).ok();
    for verb in ["connect", "disconnect"] {
        docker.run(&["network", verb, "net", "one"]).ok();
        let before = until_told(&engine, &id, &format!("network {verb} name=net"));
        engine.kill_daemon();
        untell(&engine, verb);
        // Once, by the first that starts afterwards.
        for _ in 0..2 {
            engine.start_daemon();
            assert_eq!(told(&engine, &id), before);
            engine.kill_daemon();
        }
        engine.start_daemon();
    }
    docker.run(&["rm", "-f", "one"]).ok();
    docker.run(&["network", "rm", "net"]).ok();
    engine.finish();
}
