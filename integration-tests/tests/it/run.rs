//! `docker run` and what it says.

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, runtime};

#[test]
fn output_and_exit_code_come_back() {
    let engine = Engine::start();
    let docker = engine.docker();
    assert_eq!(
        docker.run(&["run", "--rm", BUSYBOX, "echo", "hello"]).ok(),
        "hello"
    );
    let failed = docker.run(&[
        "run",
        "--rm",
        BUSYBOX,
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    assert_eq!(
        (failed.code, failed.out.as_str(), failed.err.as_str()),
        (7, "out\n", "err\n")
    );
    let killed = docker.run(&[
        "run",
        "--rm",
        BUSYBOX,
        "sh",
        "-c",
        "sleep 9 & kill -9 $!; wait $!",
    ]);
    assert_eq!(
        killed.code, 137,
        "a shell tells its killed child's signal: {killed:?}"
    );
    engine.finish();
}

#[test]
fn what_cannot_be_run_gives_dockers_codes() {
    let engine = Engine::start();
    let docker = engine.docker();
    let missing = docker.run(&["run", "--rm", BUSYBOX, "nosuch"]);
    let code = runtime::expected("exit code of a missing program", "127");
    assert_eq!(missing.code.to_string(), code, "{missing:?}");
    let text = runtime::expected(
        "text for a missing program",
        "exec: \"nosuch\": executable file not found in $PATH",
    );
    assert!(missing.err.contains(text), "{missing:?}");
    let directory = docker.run(&["run", "--rm", BUSYBOX, "/etc"]);
    let code = runtime::expected("exit code of what cannot be executed", "126");
    assert_eq!(directory.code.to_string(), code, "{directory:?}");
    let refused = docker.run(&["run", "--rm", BUSYBOX, "/etc/passwd"]);
    assert_eq!(refused.code.to_string(), code, "{refused:?}");
    let no_image = docker.run(&["run", "--rm", "--pull=never", "nosuch:image"]);
    assert_eq!(no_image.code, 125, "{no_image:?}");
    assert!(
        no_image.err.contains("No such image: nosuch:image"),
        "{no_image:?}"
    );
    let bad_flag = docker.run(&["run", "--rm", "--memory=1", BUSYBOX, "true"]);
    assert_eq!(bad_flag.code, 125, "{bad_flag:?}");
    assert!(
        bad_flag.err.contains("Minimum memory limit allowed is 6MB"),
        "{bad_flag:?}"
    );
    engine.finish();
}

#[test]
fn the_process_gets_what_was_asked_for() {
    let engine = Engine::start();
    let docker = engine.docker();
    let run = |args: &[&str]| docker.run(&[&["run", "--rm"], args].concat()).ok();
    assert_eq!(
        run(&["-e", "A=1 2", BUSYBOX, "sh", "-c", "echo $A $HOME"]),
        "1 2 /root"
    );
    assert_eq!(
        run(&["-u", "app", BUSYBOX, "id"]),
        "uid=1000(app) gid=1001(app) groups=1001(app),1002(extra)"
    );
    assert_eq!(run(&["-w", "/new/dir", BUSYBOX, "pwd"]), "/new/dir");
    assert_eq!(run(&["-h", "host1", BUSYBOX, "hostname"]), "host1");
    assert_eq!(run(&["--entrypoint", "echo", BUSYBOX, "a", "b"]), "a b");
    assert_eq!(
        run(&[
            "--read-only",
            BUSYBOX,
            "sh",
            "-c",
            "touch /x 2>/dev/null || echo ro"
        ]),
        "ro"
    );
    assert_eq!(
        run(&[
            "--tmpfs",
            "/t:size=1m",
            BUSYBOX,
            "sh",
            "-c",
            "df -k /t | tail -1 | awk '{print $2}'"
        ]),
        "1024"
    );
    assert_eq!(
        run(&[
            "--ulimit",
            "nofile=100:200",
            BUSYBOX,
            "sh",
            "-c",
            "ulimit -n; ulimit -Hn"
        ]),
        "100\n200"
    );
    assert_eq!(
        run(&[
            "--sysctl",
            "net.ipv4.ip_forward=1",
            BUSYBOX,
            "cat",
            "/proc/sys/net/ipv4/ip_forward"
        ]),
        "1"
    );
    assert_eq!(
        run(&[
            "--add-host",
            "other:10.1.2.3",
            BUSYBOX,
            "grep",
            "other",
            "/etc/hosts"
        ]),
        "10.1.2.3\tother"
    );
    engine.finish();
}

#[test]
fn files_and_kernel_settings_are_the_containers_own() {
    let engine = Engine::start();
    let docker = engine.docker();
    let run = |args: &[&str]| docker.run(&[&["run", "--rm"], args].concat()).ok();
    assert!(run(&["--init", BUSYBOX, "cat", "/proc/1/comm"]).contains("init"));
    engine.finish();
}

#[test]
fn binds_and_volumes_hold_data() {
    let engine = Engine::start();
    let docker = engine.docker();
    let shared = engine.dir().join("shared");
    std::fs::create_dir(&shared).expect("a folder");
    let bind = format!("{}:/s", shared.display());
    docker
        .run(&[
            "run",
            "--rm",
            "-v",
            &bind,
            BUSYBOX,
            "sh",
            "-c",
            "echo in > /s/f",
        ])
        .ok();
    assert_eq!(
        std::fs::read_to_string(shared.join("f")).expect("the file is there"),
        "in\n"
    );
    let read_only = format!("{bind}:ro");
    let refused = docker.run(&["run", "--rm", "-v", &read_only, BUSYBOX, "touch", "/s/g"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    docker
        .run(&[
            "run",
            "--rm",
            "-v",
            "data:/d",
            BUSYBOX,
            "sh",
            "-c",
            "echo kept > /d/f",
        ])
        .ok();
    assert_eq!(
        docker
            .run(&["run", "--rm", "-v", "data:/d", BUSYBOX, "cat", "/d/f"])
            .ok(),
        "kept"
    );
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "data");
    let copied = docker
        .run(&[
            "run",
            "--rm",
            "-v",
            "etc:/etc",
            BUSYBOX,
            "cat",
            "/etc/group",
        ])
        .ok();
    assert!(
        copied.contains("extra:x:1002"),
        "an empty volume starts with the image's content"
    );
    docker.run(&["volume", "rm", "data", "etc"]).ok();
    engine.finish();
}
