//! `docker diff`.

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, eventually};
use std::time::Duration;

/// Changes of every kind, in one script.
const SCRIPT: &str = "echo a >/new; rm /etc/group; echo more >>/etc/passwd; mkdir /newdir; \
    echo 1 >/newdir/one; mkdir -p /newdir/sub/deep; rm -rf /root; mkdir /root; echo z >/root/zz; \
    ln -s x /sym; mknod /pipe p; chmod 700 /tmp; mkdir /var; mv /newdir/one /newdir/uno; \
    cat /etc/passwd >/dev/null; touch /done; sleep 1000";

const EXPECTED: &[&str] = &[
    "A /done",
    "A /new",
    "A /newdir",
    "A /newdir/sub",
    "A /newdir/sub/deep",
    "A /newdir/uno",
    "A /pipe",
    "A /root/zz",
    "A /sym",
    "A /var",
    "C /etc",
    "C /etc/passwd",
    "C /root",
    "C /tmp",
    "D /etc/group",
];

/// Sorted: stock dockerd tells siblings in no order.
fn diff(client: &Client, container: &str) -> Vec<String> {
    let mut lines: Vec<String> = client
        .run(&["diff", container])
        .ok()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn changes_are_told_while_it_runs_and_afterwards() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker
        .run(&["run", "-d", "--name", "cc", BUSYBOX, "sh", "-c", SCRIPT])
        .ok();
    eventually("the script is done", Duration::from_secs(10), || {
        let done = docker.run(&["exec", "cc", "test", "-e", "/done"]);
        (done.code == 0).then_some(())
    });
    assert_eq!(diff(&docker, "cc"), EXPECTED);
    assert_eq!(diff(&engine.gantry(), "cc"), EXPECTED);
    docker.run(&["stop", "-t", "0", "cc"]).ok();
    assert_eq!(diff(&docker, "cc"), EXPECTED);
    engine.finish();
}

#[test]
fn what_the_engine_puts_into_a_container_is_no_change() {
    let engine = Engine::start();
    let docker = engine.docker();
    let volume = engine.dir().join("volume");
    std::fs::create_dir(&volume).expect("a folder");
    let bind = format!("{}:/srv/data", volume.display());
    docker
        .run(&["create", "--name", "fresh", BUSYBOX, "true"])
        .ok();
    assert_eq!(diff(&docker, "fresh"), [""; 0]);
    let look = "stat -c '%a %F' /.dockerenv; readlink /etc/mtab";
    let seen = docker.run(&["run", "--rm", BUSYBOX, "sh", "-c", look]).ok();
    assert_eq!(seen, "755 regular empty file\n/proc/mounts");
    let run = ["run", "--name", "bound", "-v", &bind, BUSYBOX, "true"];
    docker.run(&run).ok();
    // Places to mount on are made in the container's own layer.
    assert_eq!(diff(&docker, "bound"), ["A /srv", "A /srv/data"]);
    let missing = docker.run(&["diff", "nosuch"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.err.contains("No such container: nosuch"),
        "{missing:?}"
    );
    engine.finish();
}
