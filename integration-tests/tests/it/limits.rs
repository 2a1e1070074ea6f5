//! Limits of a container, as its cgroup has them: the same tests hold on a machine with version 1
//! and on one with version 2, where the files have other names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, eventually};

/// Prints one limit a line: memory, tasks, processor time of a period, processors; version 1's file
/// or version 2's, whichever is there.
const SHOW: &str = "cd /sys/fs/cgroup; \
    cat memory/memory.limit_in_bytes memory.max 2>/dev/null; \
    cat pids/pids.max pids.max 2>/dev/null; \
    cat cpu/cpu.cfs_quota_us cpu.max 2>/dev/null | cut -d' ' -f1; \
    cat cpuset/cpuset.cpus cpuset.cpus 2>/dev/null; true";

fn sleeper(docker: &Client, flags: &[&str]) {
    let run = ["run", "-d", "--name", "cc"];
    let sleep = [BUSYBOX, "sleep", "1000"];
    docker.run(&[&run, flags, &sleep].concat()).ok();
}

fn limits(docker: &Client) -> String {
    docker.run(&["exec", "cc", "sh", "-c", SHOW]).ok()
}

#[test]
fn limits_reach_the_cgroup_and_are_updated() {
    let engine = Engine::start();
    let docker = engine.docker();
    let flags = ["-m", "64m", "--pids-limit", "50", "--cpus", "0.5"];
    sleeper(&docker, &[&flags[..], &["--cpuset-cpus", "0"]].concat());
    assert_eq!(limits(&docker), "67108864\n50\n50000\n0");
    let update = ["update", "-m", "96m", "--memory-swap", "96m"];
    let more = ["--pids-limit", "33", "--cpus", "0.25", "cc"];
    assert_eq!(docker.run(&[&update[..], &more].concat()).ok(), "cc");
    assert_eq!(limits(&docker), "100663296\n33\n25000\n0");
    engine.finish();
}

#[test]
fn stats_tell_what_is_used_of_what() {
    let engine = Engine::start();
    let docker = engine.docker();
    sleeper(&docker, &["-m", "64m"]);
    let format = "{{.Name}} {{.MemUsage}} {{.PIDs}}";
    let stats = docker.run(&["stats", "--no-stream", "--format", format]);
    let stats = stats.ok();
    let words: Vec<&str> = stats.split(' ').collect();
    let [name, used, "/", limit, tasks] = words[..] else {
        panic!("{stats}")
    };
    assert_eq!((name, limit, tasks), ("cc", "64MiB", "1"), "{stats}");
    assert!(used.starts_with(|c: char| c.is_ascii_digit()), "{stats}");
    assert_ne!(used, "0B", "{stats}");
    engine.finish();
}

#[test]
fn a_process_too_many_is_refused() {
    let engine = Engine::start();
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done";
    let flags = ["run", "--rm", "--pids-limit", "5"];
    let refused = [&flags[..], &[BUSYBOX, "sh", "-c", script]].concat();
    let refused = engine.docker().run(&refused);
    assert!(refused.err.contains("can't fork"), "{refused:?}");
    engine.finish();
}

/// The folder of the container's cgroup in the hierarchy that freezes, and its version.
fn freezer(pid: &str) -> (PathBuf, u8) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let at = |top: &str, path: &str| Path::new(top).join(path.trim_start_matches('/'));
    let v1 = text
        .lines()
        .find_map(|line| Some((line.split_once(":freezer:")?.1, 1)));
    match v1 {
        Some((path, version)) => (at("/sys/fs/cgroup/freezer", path), version),
        None => (
            at("/sys/fs/cgroup", text.trim_start_matches("0::").trim()),
            2,
        ),
    }
}

#[test]
fn a_paused_container_is_frozen() {
    let engine = Engine::start();
    let docker = engine.docker();
    sleeper(&docker, &[]);
    let pid = docker.run(&["inspect", "-f", "{{.State.Pid}}", "cc"]).ok();
    let (group, version) = freezer(&pid);
    let read = |name: &str| std::fs::read_to_string(group.join(name)).expect("the group is there");
    let frozen = || match version {
        1 => read("freezer.state").trim() == "FROZEN",
        _ => read("cgroup.events").contains("frozen 1"),
    };
    assert!(!frozen());
    docker.run(&["pause", "cc"]).ok();
    assert!(frozen(), "{}", group.display());
    let refused = docker.run(&["exec", "cc", "true"]);
    assert!(refused.err.contains("is paused"), "{refused:?}");
    docker.run(&["unpause", "cc"]).ok();
    assert!(!frozen(), "{}", group.display());
    docker.run(&["exec", "cc", "true"]).ok();
    engine.finish();
}

#[test]
fn memory_that_runs_out_is_told() {
    let engine = Engine::start();
    let docker = engine.docker();
    let flags = [
        "run",
        "--name",
        "hungry",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
    ];
    let fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=32";
    let killed = docker.run(&[&flags[..], &[BUSYBOX, "sh", "-c", fill]].concat());
    assert_eq!(killed.code, 137, "{killed:?}");
    let format = "{{.State.OOMKilled}}";
    assert_eq!(
        docker.run(&["inspect", "-f", format, "hungry"]).ok(),
        "true"
    );
    eventually("the event", Duration::from_secs(5), || {
        let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let until = until.expect("a clock past 1970").as_secs().to_string();
        let asked = ["events", "--since", "1", "--until", &until];
        let only = ["--filter", "event=oom", "--format", "{{.Action}}"];
        let events = docker.run(&[&asked[..], &only].concat()).ok();
        // One for each process that was killed.
        events.lines().any(|line| line == "oom").then_some(())
    });
    engine.finish();
}
