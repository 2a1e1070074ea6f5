//! Namespaces and memory that containers share: `--ipc`, `--pid`, propagation of binds.

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine};

/// What a start is refused with.
#[track_caller]
fn refused(docker: &Client, options: &[&str], text: &str) {
    let answer = docker.run(&[&["run", "--rm"], options, &[BUSYBOX, "true"]].concat());
    assert_eq!(answer.code, 125, "{answer:?}");
    assert!(answer.err.contains(text), "{answer:?}");
}

fn start(docker: &Client, name: &str, options: &[&str]) -> String {
    let run = ["run", "-d", "--name", name];
    docker
        .run(&[&run, options, &[BUSYBOX, "sleep", "1000"]].concat())
        .ok()
}

#[test]
fn shared_memory_is_shared_by_those_who_ask() {
    let engine = Engine::start();
    let docker = engine.docker();
    start(
        &docker,
        "donor",
        &["--ipc", "shareable", "--shm-size", "8m"],
    );
    let private = start(&docker, "private", &[]);
    let none = start(&docker, "none", &["--ipc", "none"]);
    let join = ["run", "--rm", "--ipc", "container:donor", BUSYBOX];
    let write = "echo hello >/dev/shm/word; readlink /proc/self/ns/ipc";
    let joined = docker.run(&[&join[..], &["sh", "-c", write]].concat()).ok();
    let own = ["exec", "donor", "readlink", "/proc/self/ns/ipc"];
    assert_eq!(joined, docker.run(&own).ok());
    let read = ["exec", "donor", "cat", "/dev/shm/word"];
    assert_eq!(docker.run(&read).ok(), "hello");
    let size = ["exec", "donor", "grep", "/dev/shm", "/proc/mounts"];
    assert!(docker.run(&size).ok().contains("size=8192k"));
    let shm = docker.run(&["exec", "none", "test", "-e", "/dev/shm"]);
    assert_eq!(shm.code, 1, "no shared memory at all");
    for id in [&private, &none] {
        let text = format!(
            "failed to join IPC namespace: container {id}: non-shareable IPC (hint: use \
             IpcMode:shareable for the donor container)"
        );
        refused(&docker, &["--ipc", &format!("container:{id}")], &text);
    }
    let host = [
        "run",
        "--rm",
        "--ipc",
        "host",
        BUSYBOX,
        "readlink",
        "/proc/self/ns/ipc",
    ];
    let of_host = std::fs::read_link("/proc/self/ns/ipc").expect("a link");
    assert_eq!(docker.run(&host).ok(), of_host.to_string_lossy());
    docker.run(&["stop", "-t", "0", "donor"]).ok();
    refused(&docker, &["--ipc", "container:donor"], "is not running");
    refused(
        &docker,
        &["--pid", "container:donor"],
        "failed to join PID namespace: container",
    );
    let network = "cannot join network namespace of a non running container: container donor is";
    refused(&docker, &["--network", "container:donor"], network);
    docker.run(&["start", "donor"]).ok();
    let again = docker.run(&["exec", "donor", "ls", "/dev/shm"]).ok();
    assert_eq!(again, "", "another run has other memory");
    engine.finish();
}

#[test]
fn a_joined_container_is_kept_by_its_id() {
    let engine = Engine::start();
    let docker = engine.docker();
    let id = start(&docker, "donor", &[]);
    let modes = ["--pid", "container:donor", "--network", "container:donor"];
    docker
        .run(
            &[
                &["create", "--name", "joiner"],
                &modes[..],
                &[BUSYBOX, "true"],
            ]
            .concat(),
        )
        .ok();
    docker.run(&["rename", "donor", "other"]).ok();
    let format = "{{.HostConfig.PidMode}} {{.HostConfig.NetworkMode}}";
    assert_eq!(
        docker.run(&["inspect", "-f", format, "joiner"]).ok(),
        format!("container:{id} container:{id}")
    );
    docker.run(&["start", "joiner"]).ok();
    assert_eq!(docker.run(&["wait", "joiner"]).ok(), "0");
    engine.finish();
}

#[test]
fn a_bind_propagates_only_from_a_mount_that_does() {
    let engine = Engine::start();
    let docker = engine.docker();
    // A mount of the test's own, whatever the machine's are.
    let folder = engine.dir().join("private");
    std::fs::create_dir(&folder).expect("a folder");
    let mounted = |args: &[&str]| {
        let status = std::process::Command::new("mount").args(args).status();
        assert!(status.expect("mount runs").success());
    };
    let path = folder.to_string_lossy().into_owned();
    mounted(&["-t", "tmpfs", "tmpfs", &path]);
    mounted(&["--make-private", &path]);
    let shared = format!("{path}:/x:shared");
    let text = format!("path {path} is mounted on {path} but it is not a shared mount");
    refused(&docker, &["-v", &shared], &text);
    let slave = format!("{path}:/x:slave");
    let text = format!("path {path} is mounted on {path} but it is not a shared or slave mount");
    refused(&docker, &["-v", &slave], &text);
    mounted(&["--make-shared", &path]);
    for bind in [&shared, &slave] {
        let run = ["run", "--rm", "-v", bind, BUSYBOX, "true"];
        docker.run(&run).ok();
    }
    let status = std::process::Command::new("umount").arg(&path).status();
    assert!(status.expect("umount runs").success());
    engine.finish();
}
