//! stdin, attach, large streams.

use std::process::Stdio;

use integration_tests::Engine;
use integration_tests::client::finish;
use integration_tests::image::BUSYBOX;

#[test]
fn stdin_is_closed_through_to_the_process() {
    let engine = Engine::start();
    let docker = engine.docker();
    let words = b"three\none\ntwo\n";
    assert_eq!(
        docker
            .run_with(&["run", "-i", "--rm", BUSYBOX, "sort"], words)
            .ok(),
        "one\nthree\ntwo"
    );
    engine.finish();
}

#[test]
fn a_large_stream_comes_back_intact() {
    let engine = Engine::start();
    let docker = engine.docker();
    let mut bytes = Vec::with_capacity(20_000_000);
    let mut n = 0_u32;
    while bytes.len() < 20_000_000 {
        bytes.extend_from_slice(format!("{n:08}\n").as_bytes());
        n += 1;
    }
    let flags = ["run", "-i", "--rm", "--log-driver", "none", BUSYBOX, "cat"];
    let back = docker.run_with(&flags, &bytes).out;
    assert_eq!(back.len(), bytes.len());
    assert!(back.as_bytes() == bytes.as_slice(), "the bytes differ");
    engine.finish();
}

#[test]
fn attach_sees_what_comes_after_it_and_the_exit_code() {
    let engine = Engine::start();
    let docker = engine.docker();
    docker
        .run(&[
            "run",
            "-d",
            "-i",
            "--name",
            "cc",
            BUSYBOX,
            "sh",
            "-c",
            "read x; echo got $x; exit 6",
        ])
        .ok();
    let args = ["attach", "cc"];
    let mut command = docker.command(&args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("docker starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut stdin, b"word\n").expect("writes");
    let answer = finish(child, &args);
    drop(stdin);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (6, "got word\n"),
        "{answer:?}"
    );
    engine.finish();
}
