//! What the docker command line waits for, on our engine and on stock dockerd.

use std::process::Stdio;
use std::time::{Duration, Instant};

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, Kind, eventually};

use crate::figure::{Contender, Figure, Pace, REST, Target, interleaved};

const PACE: Pace = Pace {
    runs: 15,
    rest: REST,
};

/// The same work on both engines.
type Work = fn(&Engine);

pub(crate) fn measure() -> Vec<Figure> {
    let ours = Engine::measured(Kind::Gantry);
    let stock = Engine::measured(Kind::Stock);
    for engine in [&ours, &stock] {
        engine
            .docker()
            .run(&["run", "-d", "--name", "long", BUSYBOX, "sleep", "100000"])
            .ok();
    }
    let beside = |name: &str, targets: &[Target], work: Work| {
        let contenders = vec![
            Contender::timed("gantry", || work(&ours)),
            Contender::timed("dockerd", || work(&stock)),
        ];
        PACE.compare(name, "ms", contenders, targets)
    };
    let both =
        |name: &str, at_most: f64, work: Work| beside(name, &[Target::of_dockerd(at_most)], work);
    let mut figures = vec![
        // What each of the following holds of the client's own time.
        beside("docker version", &[], |e| docker(e, "version")),
        both("run --rm --network none true", 0.25, |e| {
            docker(e, "run --rm --network none IMG true");
        }),
        both("run --rm true, bridge", 0.2, |e| {
            docker(e, "run --rm IMG true");
        }),
        both("run --rm -p 0:80 true", 0.2, |e| {
            docker(e, "run --rm -p 0:80 IMG true");
        }),
        both("exec true", 0.5, |e| docker(e, "exec long true")),
    ];
    figures.extend(detached(&ours, &stock));
    figures.push(inside(&ours));
    let fifty_of = Fifty {
        flags: &[],
        host_config: "{}",
        by_cli: 0.2,
        by_api: 0.1,
        runs: 3,
    };
    figures.extend(fifty(&ours, &stock, &fifty_of));
    for engine in [ours, stock] {
        drop(engine);
    }
    figures
}

fn docker(engine: &Engine, line: &str) {
    let words: Vec<&str> = line
        .split(' ')
        .map(|w| if w == "IMG" { BUSYBOX } else { w })
        .collect();
    waited_for(&engine.docker(), &words);
}

/// Runs a command and waits for its end itself: the tests' way looks for it every two milliseconds.
fn waited_for(client: &Client, words: &[&str]) {
    let mut command = client.command(words);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status().expect("docker starts");
    assert!(status.success(), "{words:?}: {status}");
}

/// `run -d`, `stop -t0` and `rm -f`: each is measured alone, the others prepare it.
fn detached(ours: &Engine, stock: &Engine) -> Vec<Figure> {
    let measured = |name: &str, verb: usize| {
        let contender = |label, client: Client| Contender {
            name: label,
            run: Box::new(move || {
                let steps: [&[&str]; 3] = [
                    &["run", "-d", "--name", "bench", BUSYBOX, "sleep", "1000"],
                    if verb == 1 {
                        &["stop", "-t0", "bench"]
                    } else {
                        &["ps", "-q"]
                    },
                    &["rm", "-f", "bench"],
                ];
                let mut value = 0.0;
                for (n, step) in steps.iter().enumerate() {
                    let start = Instant::now();
                    waited_for(&client, step);
                    if n == verb {
                        value = start.elapsed().as_secs_f64() * 1e3;
                    }
                }
                value
            }),
        };
        let contenders = vec![
            contender("gantry", ours.docker()),
            contender("dockerd", stock.docker()),
        ];
        let target = Target::of_dockerd(1.0 / 3.0);
        PACE.compare(name, "ms", contenders, &[target])
    };
    vec![
        measured("run -d, bridge", 0),
        measured("stop -t0", 1),
        measured("rm -f of a running one", 2),
    ]
}

/// create, start, wait and remove by the API, without a client's process.
fn inside(engine: &Engine) -> Figure {
    let contenders = vec![run_true("gantry", engine, r#"{"NetworkMode":"none"}"#)];
    interleaved(
        "run true by the API",
        "ms",
        30,
        contenders,
        &[Target::AtMost(20.0)],
    )
}

/// Milliseconds from create to the end of a `true` with this `HostConfig`, by the API.
pub(crate) fn run_true<'a>(
    name: &'a str,
    engine: &'a Engine,
    host_config: &'a str,
) -> Contender<'a> {
    let socket = engine.socket();
    let run = move || {
        let mut http = Http::connect(&socket);
        let body =
            format!("{{\"Image\":\"{BUSYBOX}\",\"Cmd\":[\"true\"],\"HostConfig\":{host_config}}}");
        let start = Instant::now();
        let created = http.call("POST", "/v1.47/containers/create", &body);
        let id = created.json()["Id"].as_str().expect("an id").to_owned();
        http.call("POST", &format!("/v1.47/containers/{id}/start"), "");
        let ended = http.call("POST", &format!("/v1.47/containers/{id}/wait"), "");
        let value = start.elapsed().as_secs_f64() * 1e3;
        assert_eq!(ended.json()["StatusCode"], 0);
        http.call("DELETE", &format!("/v1.47/containers/{id}"), "");
        value
    };
    Contender {
        name,
        run: Box::new(run),
    }
}

/// What fifty containers are started with, and at most which share of dockerd's time that may take.
pub(crate) struct Fifty {
    /// Written in the figures' names.
    pub(crate) flags: &'static [&'static str],
    pub(crate) host_config: &'static str,
    /// By the docker command line.
    pub(crate) by_cli: f64,
    pub(crate) by_api: f64,
    pub(crate) runs: usize,
}

/// 50 × `run -d` on the bridge, ten at a time.
pub(crate) fn fifty(ours: &Engine, stock: &Engine, what: &Fifty) -> Vec<Figure> {
    let by_cli = |engine: &Engine| {
        let client = engine.docker();
        start_fifty(|_| {
            let run = ["run", "-d", "-l", "fifty"];
            let command = [BUSYBOX, "sleep", "1000"];
            waited_for(&client, &[&run, what.flags, &command].concat());
        });
    };
    let by_api = |engine: &Engine| {
        let socket = engine.socket();
        start_fifty(|_| {
            let mut http = Http::connect(&socket);
            let body = format!(
                "{{\"Image\":\"{BUSYBOX}\",\"Cmd\":[\"sleep\",\"1000\"],\"Labels\":{{\"fifty\":\"\"}},\"HostConfig\":{}}}",
                what.host_config
            );
            let created = http.call("POST", "/v1.47/containers/create", &body);
            let id = created.json()["Id"].as_str().expect("an id").to_owned();
            let started = http.call("POST", &format!("/v1.47/containers/{id}/start"), "");
            assert_eq!(started.status, 204);
        });
    };
    let measured = |name: &str, at_most: f64, work: &dyn Fn(&Engine)| {
        let contender = |label, engine| Contender {
            name: label,
            run: Box::new(move || {
                let start = Instant::now();
                work(engine);
                let value = start.elapsed().as_secs_f64();
                remove_fifty(engine);
                value
            }),
        };
        let contenders = vec![contender("gantry", ours), contender("dockerd", stock)];
        let targets = [Target::of_dockerd(at_most)];
        interleaved(name, "s", what.runs, contenders, &targets)
    };
    let flags: String = what.flags.iter().map(|flag| format!(" {flag}")).collect();
    let cli = format!("50 × run -d{flags}, ten at once, docker CLI");
    let api = format!("50 × create and start{flags}, ten at once, API");
    vec![
        measured(&cli, what.by_cli, &by_cli),
        measured(&api, what.by_api, &by_api),
    ]
}

fn start_fifty(one: impl Fn(usize) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if n >= 50 {
                        return;
                    }
                    one(n);
                }
            });
        }
    });
}

fn remove_fifty(engine: &Engine) {
    let docker = engine.docker();
    let ids = docker.run(&["ps", "-aq", "--filter", "label=fifty"]).ok();
    let ids: Vec<&str> = ids.lines().collect();
    for some in ids.chunks(10) {
        docker.run(&[&["rm", "-f"], some].concat()).ok();
    }
    eventually("they are gone", Duration::from_secs(30), || {
        docker
            .run(&["ps", "-aq", "--filter", "label=fifty"])
            .ok()
            .is_empty()
            .then_some(())
    });
}
