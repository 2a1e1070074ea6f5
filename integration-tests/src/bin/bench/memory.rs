//! Memory with many containers, listing them, and how soon the API is back after a kill.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, leaks, usage};

use crate::figure::{Contender, Figure, Target, interleaved};

const MANY: usize = 200;
const SOME: usize = 50;
/// What containers cost is measured at rest.
const SETTLED: Duration = Duration::from_secs(5);

pub(crate) fn measure() -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut restart = Vec::new();
    let mut private = Vec::new();
    let mut daemons = Vec::new();
    for (name, kind) in [("gantry", Kind::Gantry), ("dockerd", Kind::Stock)] {
        let mut engine = Engine::measured(kind);
        start(&engine, SOME);
        restart.push((name.to_owned(), vec![back_after_kill(&mut engine)]));
        start(&engine, MANY - SOME);
        std::thread::sleep(SETTLED);
        let (shim, both): (&str, &[&str]) = match kind {
            Kind::Gantry => ("containerd-shim-lite-v2", &["gantryd", "containerd-lite"]),
            Kind::Stock => ("containerd-shim-runc-v2", &["dockerd", "containerd"]),
        };
        let shims = leaks::processes_of(engine.dir(), shim);
        let total: u64 = shims.iter().map(|p| usage::private_kib(*p)).sum();
        private.push((
            name.to_owned(),
            vec![mib(total) / shims.len().max(1) as f64],
        ));
        let pids = both
            .iter()
            .flat_map(|p| leaks::processes_of(engine.dir(), p));
        daemons.push((
            name.to_owned(),
            vec![mib(pids.map(usage::proportional_kib).sum())],
        ));
        if kind == Kind::Gantry {
            figures.extend(list(&engine));
        }
    }
    let figure = |name: &str, unit, samples, target| {
        let figure = Figure {
            name: name.to_owned(),
            unit: String::from(unit),
            samples,
            targets: vec![target],
        };
        crate::report::say(&figure.line());
        figure
    };
    figures.push(figure(
        "API back after kill -9, 50 containers",
        "ms",
        restart,
        Target::AtMost(150.0),
    ));
    let eighth = Target::of_dockerd(0.125);
    figures.push(figure("a shim's private memory", "MiB", private, eighth));
    figures.push(figure(
        "both daemons with 200 containers",
        "MiB PSS",
        daemons,
        Target::AtMost(40.0),
    ));
    figures
}

fn start(engine: &Engine, count: usize) {
    let mut http = Http::connect(&engine.socket());
    let body = format!(
        "{{\"Image\":\"{BUSYBOX}\",\"Cmd\":[\"sleep\",\"100000\"],\"HostConfig\":{{\"NetworkMode\":\"none\"}}}}"
    );
    for _ in 0..count {
        let created = http.call("POST", "/v1.47/containers/create", &body);
        let id = created.json()["Id"].as_str().expect("an id").to_owned();
        let started = http.call("POST", &format!("/v1.47/containers/{id}/start"), "");
        assert_eq!(started.status, 204);
    }
}

/// Milliseconds from starting the daemon again to its first answer.
fn back_after_kill(engine: &mut Engine) -> f64 {
    engine.kill_daemon();
    engine.kill_supervisor();
    // One that is still dying holds the API's socket, and resets who connects to it.
    let socket = engine.socket();
    eventually("nobody listens", Duration::from_secs(10), || {
        UnixStream::connect(&socket).is_err().then_some(())
    });
    let start = Instant::now();
    engine.start_daemon();
    let answer = Http::connect(&engine.socket()).call("GET", "/v1.47/containers/json", "");
    assert_eq!(answer.json().as_array().map(Vec::len), Some(SOME));
    start.elapsed().as_secs_f64() * 1e3
}

/// What `ps` costs the server: how long the daemon's threads run for one list, from the request to the last
/// byte that the kernel has taken. And how long the client waits for all of it, which besides is the
/// client's own reading, and how soon a machine that rested gets two processes to run: nobody is held to it.
fn list(engine: &Engine) -> [Figure; 2] {
    let mut http = Http::connect(&engine.socket());
    let mut ask = || http.call("GET", "/v1.47/containers/json", "");
    assert_eq!(ask().json().as_array().map(Vec::len), Some(MANY));
    let daemon = engine.daemon_pid();
    let server = Contender {
        name: "gantry",
        run: Box::new(|| {
            let before = usage::ran_for(daemon);
            ask();
            usage::ran_for(daemon).saturating_sub(before).as_secs_f64() * 1e3
        }),
    };
    let name = "list of 200 by the API, server's time";
    let at_most = [Target::AtMost(2.0)];
    let server = interleaved(name, "ms", 30, vec![server], &at_most);
    let client = vec![Contender::timed("gantry", || drop(ask()))];
    let name = "list of 200 by the API, until the client has it";
    [server, interleaved(name, "ms", 30, client, &[])]
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
