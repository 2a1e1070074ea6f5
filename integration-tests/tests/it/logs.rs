//! `docker logs`.

use integration_tests::Engine;
use integration_tests::image::BUSYBOX;

#[test]
fn logs_are_kept_in_order_and_by_stream() {
    let engine = Engine::start();
    let docker = engine.docker();
    let script = "for i in 1 2 3 4 5; do echo line $i; done; echo bad >&2; printf unfinished";
    docker.run(&["run", "--name", "cc", BUSYBOX, "sh", "-c", script]);
    let all = docker.run(&["logs", "cc"]);
    assert_eq!(
        all.out,
        "line 1\nline 2\nline 3\nline 4\nline 5\nunfinished"
    );
    assert_eq!(all.err, "bad\n");
    // Across streams the order is the scheduler's.
    let last = docker.run(&["logs", "--tail", "1", "cc"]);
    assert!(last.out == "unfinished" || last.err == "bad\n", "{last:?}");
    assert_eq!(docker.run(&["logs", "--since", "1h", "cc"]).out, all.out);
    assert_eq!(docker.run(&["logs", "--until", "1h", "cc"]).out, "");
    let stamped = docker.run(&["logs", "-t", "cc"]).out;
    let first = stamped.lines().next().unwrap_or_default();
    let (time, text) = first.split_once(' ').expect("a time and a line");
    assert!(time.ends_with('Z') && time.len() >= 20, "{first}");
    assert_eq!(text, "line 1");
    assert_eq!(
        docker.run(&["logs", "-f", "cc"]).out,
        all.out,
        "following a dead container ends"
    );
    engine.finish();
}

#[test]
fn following_sees_every_line_to_the_end() {
    let engine = Engine::start();
    let docker = engine.docker();
    let script = "i=0; while [ $i -lt 200 ]; do echo $i; i=$((i+1)); done";
    docker
        .run(&["run", "-d", "--name", "cc", BUSYBOX, "sh", "-c", script])
        .ok();
    let lines: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(docker.run(&["logs", "-f", "cc"]).ok(), lines.join("\n"));
    engine.finish();
}

/// The same fixtures as the shim's encoder has; on stock dockerd (`--oracle`) this proves them.
#[test]
fn hostile_output_is_logged_as_by_dockerd() {
    let engine = Engine::start();
    let docker = engine.docker();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../shim/tests/fixtures");
    let bind = format!("{fixtures}:/in:ro");
    let cat = ["cat", "/in/hostile-output.bin"];
    let run = ["run", "--name", "cc", "--log-driver=json-file", "-v", &bind];
    docker.run(&[&run[..], &[BUSYBOX], &cat].concat());
    let inspect = docker.run(&["inspect", "-f", "{{.LogPath}}", "cc"]);
    let read = |path: &str| std::fs::read_to_string(path).expect("a log is text");
    let (written, expected) = (
        read(&inspect.ok()),
        read(&format!("{fixtures}/hostile-output.dockerd-28.log")),
    );
    let timeless = |log: &str| -> Vec<String> {
        let records = log
            .lines()
            .filter_map(|line| line.rsplit_once(",\"time\":"));
        records.map(|(record, _)| record.to_owned()).collect()
    };
    assert!(timeless(&written) == timeless(&expected));
    engine.finish();
}
