//! create, start, stop, kill, pause, wait, rename, update, rm, ps, inspect, top, prune.

use std::time::Duration;

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};

#[test]
fn a_container_is_created_started_stopped_and_removed() {
    let engine = Engine::start();
    let docker = engine.docker();
    let id = docker
        .run(&["create", "--name", "first", BUSYBOX, "sleep", "1000"])
        .ok();
    assert_eq!(id.len(), 64);
    let state = |name: &str| {
        docker
            .run(&["inspect", "-f", "{{.State.Status}}", name])
            .ok()
    };
    assert_eq!(state("first"), "created");
    assert_eq!(docker.run(&["start", "first"]).ok(), "first");
    assert_eq!(state("first"), "running");
    assert_eq!(docker.run(&["ps", "-q", "--no-trunc"]).ok(), id);
    let conflict = docker.run(&["rm", "first"]);
    assert_eq!(conflict.code, 1);
    assert!(
        conflict.err.contains("container is running"),
        "{conflict:?}"
    );
    assert_eq!(docker.run(&["stop", "-t", "0", "first"]).ok(), "first");
    assert_eq!(state("first"), "exited");
    assert_eq!(
        docker
            .run(&["inspect", "-f", "{{.State.ExitCode}}", "first"])
            .ok(),
        "137"
    );
    assert_eq!(docker.run(&["rm", "first"]).ok(), "first");
    assert!(
        docker
            .run(&["inspect", "first"])
            .err
            .contains("No such object: first")
    );
    engine.finish();
}

#[test]
fn names_are_unique_and_prefixes_find() {
    let engine = Engine::start();
    let docker = engine.docker();
    let id = docker
        .run(&["create", "--name", "one", BUSYBOX, "true"])
        .ok();
    let taken = docker.run(&["create", "--name", "one", BUSYBOX, "true"]);
    assert_eq!(taken.code, 1);
    let text = format!("The container name \"/one\" is already in use by container \"{id}\"");
    assert!(taken.err.contains(&text), "{taken:?}");
    let named = |prefix: &str| docker.run(&["inspect", "-f", "{{.Name}}", prefix]).ok();
    assert_eq!(named(&id[..12]), "/one");
    docker.run(&["rename", "one", "two"]).ok();
    assert_eq!(named(&id), "/two");
    let bad = docker.run(&["create", "--name", "a b", BUSYBOX, "true"]);
    assert!(bad.err.contains("Invalid container name (a b)"), "{bad:?}");
    engine.finish();
}

#[test]
fn signals_pause_and_wait() {
    let engine = Engine::start();
    let docker = engine.docker();
    let script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done";
    docker
        .run(&["run", "-d", "--name", "cc", BUSYBOX, "sh", "-c", script])
        .ok();
    eventually("the trap is set", Duration::from_secs(5), || {
        docker
            .run(&["logs", "cc"])
            .out
            .contains("ready")
            .then_some(())
    });
    docker.run(&["pause", "cc"]).ok();
    assert_eq!(
        docker
            .run(&["inspect", "-f", "{{.State.Status}}", "cc"])
            .ok(),
        "paused"
    );
    docker.run(&["unpause", "cc"]).ok();
    docker.run(&["kill", "-s", "USR1", "cc"]).ok();
    assert_eq!(docker.run(&["wait", "cc"]).ok(), "9");
    let dead = docker.run(&["kill", "cc"]);
    assert!(dead.err.contains("is not running"), "{dead:?}");
    engine.finish();
}

#[test]
fn restart_policies_act() {
    let engine = Engine::start();
    let docker = engine.docker();
    let flags = [
        "run",
        "-d",
        "--name",
        "rr",
        "--restart",
        "on-failure:2",
        BUSYBOX,
        "sh",
        "-c",
        "exit 3",
    ];
    docker.run(&flags).ok();
    let format = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}";
    eventually(
        "it gave up after two more tries",
        Duration::from_secs(20),
        || (docker.run(&["inspect", "-f", format, "rr"]).ok() == "2 exited 3").then_some(()),
    );
    engine.finish();
}

/// What `gantry engine stop --all`, and with it the machine's shutdown, asks for.
#[test]
fn a_halt_ends_containers_with_their_codes_and_policies_bring_them_back() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Its counterpart ends containers at SIGTERM, unless they are to live on.
        return engine.finish();
    }
    let docker = engine.docker();
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let policies = ["no", "on-failure", "unless-stopped", "always"];
    for policy in policies {
        let flags = ["run", "-d", "--name", policy, "--restart", policy];
        docker
            .run(&[&flags[..], &[BUSYBOX, "sh", "-c", script]].concat())
            .ok();
        eventually("it listens", Duration::from_secs(10), || {
            (docker.run(&["logs", policy]).out == "ready\n").then_some(())
        });
    }
    docker.run(&["pause", "no"]).ok();
    let ids = docker.run(&["ps", "-q", "--no-trunc"]).ok();
    let mut ids: Vec<&str> = ids.lines().collect();
    let answer = Http::connect(&engine.socket()).call("POST", "/gantry/halt?t=20", "");
    let answer = answer.json();
    let ended = answer["Ended"].as_array().expect("a list");
    let mut ended: Vec<&str> = ended.iter().filter_map(|id| id.as_str()).collect();
    ids.sort_unstable();
    ended.sort_unstable();
    assert_eq!(ended, ids);
    assert_eq!(engine.daemon_ended(), None);
    engine.start_daemon();
    let docker = engine.docker();
    let state = |name: &str| {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        docker.run(&["inspect", "-f", format, name]).ok()
    };
    for policy in policies {
        let wanted = if policy == "no" {
            "exited 7"
        } else {
            "running 0"
        };
        eventually("it is as it must be", Duration::from_secs(10), || {
            (state(policy) == wanted).then_some(())
        });
    }
    engine.finish();
}

#[test]
fn ps_filters_and_top() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker
        .run(&[
            "run", "-d", "--name", "aa", "-l", "k=v", BUSYBOX, "sleep", "1000",
        ])
        .ok();
    docker.run(&["run", "--name", "bb", BUSYBOX, "sh", "-c", "exit 4"]);
    let names = |args: &[&str]| {
        docker
            .run(&[&["ps", "--format", "{{.Names}}"], args].concat())
            .ok()
    };
    assert_eq!(names(&[]), "aa");
    assert_eq!(names(&["-a"]), "bb\naa");
    assert_eq!(names(&["-a", "-f", "exited=4"]), "bb");
    assert_eq!(names(&["-f", "label=k=v"]), "aa");
    assert_eq!(names(&["-a", "-f", "name=^b+$"]), "bb");
    assert!(docker.run(&["top", "aa"]).ok().contains("sleep 1000"));
    assert!(docker.run(&["ps", "-a"]).ok().contains("Exited (4)"));
    let pruned = docker.run(&["container", "prune", "-f"]).ok();
    assert!(pruned.contains("Deleted Containers:"), "{pruned}");
    assert_eq!(names(&["-a"]), "aa");
    engine.finish();
}
