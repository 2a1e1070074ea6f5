//! What a container writes: into the log, out of the log, through attach.

use std::process::Stdio;
use std::time::Instant;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind};

use crate::figure::{Contender, Figure, Target, interleaved};

const LINES: usize = 1_000_000;
/// Bytes that attach carries.
const ATTACH_BYTES: u64 = 100_000_000;

pub(crate) fn measure() -> Vec<Figure> {
    let ours = Engine::measured(Kind::Gantry);
    let stock = Engine::measured(Kind::Stock);
    for engine in [&ours, &stock] {
        provide(engine);
    }
    let both = |name: &str, at_most: f64, work: fn(&Engine) -> f64| {
        let contender = |label, engine| Contender {
            name: label,
            run: Box::new(move || work(engine)),
        };
        let contenders = vec![contender("gantry", &ours), contender("dockerd", &stock)];
        interleaved(name, "s", 3, contenders, &[Target::of_dockerd(at_most)])
    };
    vec![
        both("a million short lines to the log", 1.0 / 3.0, write_lines),
        both("logs of a million lines", 0.1, read_lines),
        both("100 MB of text through attach, json-file", 1.0 / 8.0, text),
        both(
            "100 MB of noise through attach, json-file",
            1.0 / 8.0,
            noise,
        ),
    ]
}

/// The same options on both engines: everything is kept.
const KEEP: &[&str] = &["--log-opt", "max-size=1g", "--log-opt", "max-file=2"];

fn write_lines(engine: &Engine) -> f64 {
    let docker = engine.docker();
    docker.run(&["rm", "-f", "writer"]);
    let script = format!("seq 1 {LINES}");
    let run = ["run", "-d", "--network", "none", "--name", "writer"];
    let start = Instant::now();
    docker
        .run(&[&run, KEEP, &[BUSYBOX, "sh", "-c", &script]].concat())
        .ok();
    assert_eq!(docker.run(&["wait", "writer"]).ok(), "0");
    start.elapsed().as_secs_f64()
}

fn read_lines(engine: &Engine) -> f64 {
    let start = Instant::now();
    let out = engine.docker().run(&["logs", "writer"]).ok();
    let value = start.elapsed().as_secs_f64();
    assert_eq!(out.lines().count(), LINES);
    value
}

/// Files in a volume that containers write to their output.
fn provide(engine: &Engine) {
    let text = "0123456789".repeat(6);
    let script = format!(
        "yes {text} | head -c {ATTACH_BYTES} > /v/text; head -c {ATTACH_BYTES} /dev/urandom > /v/noise"
    );
    let run = ["run", "--rm", "--network", "none", "-v", "streams:/v"];
    let docker = engine.docker();
    docker
        .run(&[&run[..], &[BUSYBOX, "sh", "-c", &script]].concat())
        .ok();
}

/// A file from the container's `cat` to the client, with docker's log beside.
fn attach(engine: &Engine, file: &str) -> f64 {
    let run = ["run", "--rm", "--network", "none", "-v", "streams:/v"];
    let log = ["--log-opt", "max-size=50m", "--log-opt", "max-file=1"];
    let mut command = engine
        .docker()
        .command(&[&run[..], &log, &[BUSYBOX, "cat", file]].concat());
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("docker starts");
    let mut out = child.stdout.take().expect("a pipe");
    let read = std::io::copy(&mut out, &mut std::io::sink()).expect("the output can be read");
    assert!(child.wait().expect("docker ends").success());
    assert_eq!(read, ATTACH_BYTES);
    start.elapsed().as_secs_f64()
}

fn text(engine: &Engine) -> f64 {
    attach(engine, "/v/text")
}

fn noise(engine: &Engine) -> f64 {
    attach(engine, "/v/noise")
}
