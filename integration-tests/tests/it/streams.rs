//! stdin, attach, large streams.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use integration_tests::client::finish;
use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, Kind, eventually, leaks};

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

/// Bytes of a large stream: numbered lines of nine bytes.
const LARGE: usize = 100_000_000 / 9 * 9;

/// The most memory that any of the engine's programs may take for a stream, in kilobytes.
const MEMORY_MAX_KB: u64 = 96 << 10;

fn numbered(from: usize, lines: usize) -> Vec<u8> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(lines * 9);
    for n in from..from + lines {
        let _ = writeln!(text, "{n:08}");
    }
    text.into_bytes()
}

#[test]
fn a_large_stream_comes_back_intact_in_little_memory() {
    const LINES: usize = 10_000;
    let engine = Engine::start();
    let docker = engine.docker();
    let flags = ["run", "-i", "--rm", "--log-driver", "none", BUSYBOX, "cat"];
    let mut child = docker
        .command(&flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || {
        for from in (0..LARGE / 9).step_by(LINES) {
            let lines = LINES.min(LARGE / 9 - from);
            stdin.write_all(&numbered(from, lines)).expect("it is read");
        }
    });
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut back = vec![0; LINES * 9];
    let mut peaks = Vec::new();
    for from in (0..LARGE / 9).step_by(LINES) {
        let lines = LINES.min(LARGE / 9 - from);
        let back = &mut back[..lines * 9];
        stdout.read_exact(back).expect("all of it comes back");
        assert!(
            *back == numbered(from, lines),
            "the bytes differ from line {from} on"
        );
        if from == LARGE / 18 / LINES * LINES {
            peaks = memory_peaks(&engine);
        }
    }
    writer.join().expect("everything was written");
    assert_eq!(
        stdout.read(&mut back).expect("an end"),
        0,
        "and nothing else"
    );
    assert!(child.wait().expect("docker ends").success());
    if engine.kind() == Kind::Gantry {
        assert_eq!(peaks.len(), 3, "{peaks:?}");
        for (program, peak) in peaks {
            assert!(peak < MEMORY_MAX_KB, "{program}: {peak} kB");
        }
    }
    engine.finish();
}

/// The most memory that each of the engine's programs has had so far, in kilobytes.
fn memory_peaks(engine: &Engine) -> Vec<(&'static str, u64)> {
    let mut peaks = Vec::new();
    for program in ["gantryd", "containerd-lite", "containerd-shim-lite-v2"] {
        for pid in leaks::processes_of(engine.dir(), program) {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.unwrap_or_default();
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok());
            peaks.push((program, peak.expect("a peak")));
        }
    }
    peaks
}

/// Attaches to a container and reads the answer's head alone.
fn attach(engine: &Engine, container: &str, query: &str) -> UnixStream {
    let mut stream = UnixStream::connect(engine.socket()).expect("the engine listens");
    let request = format!(
        "POST /containers/{container}/attach?{query} HTTP/1.1\r\nHost: x\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// Types a line into a container's input, and goes.
fn say(docker: &Client, line: &str) {
    let mut command = docker.command(&["attach", "--sig-proxy=false", "cc"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "{line}").expect("it is read");
    eventually("it was heard", Duration::from_secs(10), || {
        let first = docker.run(&["logs", "--tail", "1", "cc"]).ok();
        (!first.is_empty()).then_some(())
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn a_client_that_reads_nothing_or_dies_never_stalls_the_container() {
    const LINES: usize = 1_000_000;
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock dockerd holds the container back until the client reads.
        return engine.finish();
    }
    let docker = engine.docker();
    let script = format!("read go; seq {LINES}; touch /done; sleep 1000");
    let run = [
        "run",
        "-d",
        "-i",
        "--name",
        "cc",
        "--log-opt",
        "max-size=1g",
        BUSYBOX,
    ];
    docker
        .run(&[&run[..], &["sh", "-c", &script]].concat())
        .ok();
    let silent = attach(&engine, "cc", "stream=1&stdout=1&stderr=1");
    let dead = attach(&engine, "cc", "stream=1&stdout=1&stderr=1");
    say(&docker, "go");
    drop(dead);
    eventually("all is written", Duration::from_secs(60), || {
        let done = docker.run(&["exec", "cc", "test", "-e", "/done"]);
        (done.code == 0).then_some(())
    });
    let logged = docker.run(&["logs", "cc"]).ok();
    assert_eq!(logged.lines().count(), LINES);
    assert_eq!(logged.lines().last(), Some(LINES.to_string().as_str()));
    drop(silent);
    engine.finish();
}

/// The pieces of a stream, read to its end: `1:` before what stdout had, `2:` before what stderr had.
fn pieces(mut stream: UnixStream) -> Vec<String> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the stream's end");
    let mut pieces = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let len = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let text = String::from_utf8_lossy(&after[..len]).into_owned();
        pieces.push(format!("{}:{text}", header[0]));
        rest = &after[len..];
    }
    assert!(rest.is_empty(), "{rest:?}");
    pieces
}

#[test]
fn attach_with_logs_tells_what_was_said_before_and_goes_on() {
    let engine = Engine::start();
    let docker = engine.docker();
    let script = "echo one; echo two >&2; read x; echo $x; exit 6";
    docker
        .run(&[
            "run", "-d", "-i", "--name", "cc", BUSYBOX, "sh", "-c", script,
        ])
        .ok();
    eventually("it has begun", Duration::from_secs(10), || {
        let logged = docker.run(&["logs", "cc"]);
        (logged.out == "one\n" && logged.err == "two\n").then_some(())
    });
    let all = "logs=1&stream=1&stdin=1&stdout=1&stderr=1";
    let mut both = attach(&engine, "cc", all);
    let errors = attach(&engine, "cc", "logs=1&stderr=1");
    both.write_all(b"three\n").expect("it is read");
    let mut said = pieces(both);
    // Two streams of one log may be told in either order.
    said[..2].sort();
    assert_eq!(said, ["1:one\n", "2:two\n", "1:three\n"]);
    assert_eq!(pieces(errors), ["2:two\n"]);
    assert_eq!(docker.run(&["wait", "cc"]).ok(), "6");
    // Also of a container that has ended, without its stream.
    let mut said = pieces(attach(&engine, "cc", "logs=1&stdout=1"));
    said.sort();
    assert_eq!(said, ["1:one\n", "1:three\n"]);
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
    stdin.write_all(b"word\n").expect("writes");
    let answer = finish(child, &args);
    drop(stdin);
    assert_eq!(
        (answer.code, answer.out.as_str()),
        (6, "got word\n"),
        "{answer:?}"
    );
    engine.finish();
}
