//! `docker exec`.

use integration_tests::Engine;
use integration_tests::image::BUSYBOX;

#[test]
fn a_command_runs_in_a_running_container() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker
        .run(&[
            "run", "-d", "--name", "cc", "-e", "OWN=1", BUSYBOX, "sleep", "1000",
        ])
        .ok();
    let exec = |args: &[&str]| docker.run(&[&["exec"], args].concat());
    assert_eq!(exec(&["cc", "echo", "hi"]).ok(), "hi");
    assert_eq!(exec(&["cc", "sh", "-c", "exit 5"]).code, 5);
    assert_eq!(
        exec(&["-e", "X=2", "cc", "sh", "-c", "echo $OWN $X"]).ok(),
        "1 2"
    );
    assert_eq!(exec(&["-u", "app", "cc", "id", "-u"]).ok(), "1000");
    assert_eq!(exec(&["-w", "/tmp", "cc", "pwd"]).ok(), "/tmp");
    let missing = exec(&["cc", "nosuch"]);
    assert_eq!(missing.code, 127, "{missing:?}");
    assert_eq!(
        docker
            .run_with(&["exec", "-i", "cc", "cat"], b"through")
            .ok(),
        "through"
    );
    assert_eq!(
        exec(&["-d", "cc", "sh", "-c", "echo done > /tmp/done"]).ok(),
        ""
    );
    docker.run(&["stop", "-t0", "cc"]).ok();
    let stopped = exec(&["cc", "true"]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    assert!(stopped.err.contains("is not running"), "{stopped:?}");
    engine.finish();
}
