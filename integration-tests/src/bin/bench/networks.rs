//! What networks, ports and names cost: beside stock dockerd, beside a bridge made by hand, and in memory.

mod by_hand;
mod names;
mod path;
mod traffic;

use std::time::{Duration, Instant};

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, usage};

use crate::engines::{Fifty, fifty, run_true};
use crate::figure::{Contender, Figure, Pace, REST, Target, interleaved};

const PACE: Pace = Pace {
    runs: 20,
    rest: REST,
};
/// Ports that are published before the thousandth.
const BEFORE: u16 = 999;
/// Networks, and ports, whose memory is measured.
const MANY: u16 = 50;

pub(crate) fn measure() -> Vec<Figure> {
    let ours = Engine::measured(Kind::Gantry);
    let stock = Engine::measured(Kind::Stock);
    let mut figures = Vec::from(added(&ours));
    let with_ports = Fifty {
        flags: &["-p", "0:80"],
        host_config: r#"{"PortBindings":{"80/tcp":[{"HostPort":"0"}]}}"#,
        by_cli: 0.2,
        by_api: 0.125,
        runs: 2,
    };
    figures.extend(fifty(&ours, &stock, &with_ports));
    figures.extend(created_and_removed(&ours, &stock));
    figures.push(thousandth(&ours));
    figures.extend(memory());
    figures
}

/// What goes by the networks: packets and names. A section of its own, so that one that fails leaves the other.
pub(crate) fn measure_traffic() -> Vec<Figure> {
    let ours = Engine::measured(Kind::Gantry);
    let stock = Engine::measured(Kind::Stock);
    let mut figures = path::measure(&ours, &stock);
    figures.extend(names::measure(&ours));
    figures
}

/// What the bridge adds to a container without a network, and what a port adds to that.
fn added(engine: &Engine) -> [Figure; 3] {
    let port = r#"{"PortBindings":{"80/tcp":[{"HostPort":"0"}]}}"#;
    let contenders = vec![
        run_true("bridge", engine, "{}"),
        run_true("none", engine, r#"{"NetworkMode":"none"}"#),
        run_true("-p", engine, port),
    ];
    let all = PACE.compare("run true on the bridge by the API", "ms", contenders, &[]);
    let more = |name, of, most| {
        let target = Target::AtMost(most);
        all.derived((name, "ms"), of, |one, other| one - other, target)
    };
    let bridge = more("the bridge adds to run", ("bridge", "none"), 5.0);
    let port = more("-p adds to that", ("-p", "bridge"), 2.0);
    [all, bridge, port]
}

/// `network create` and `rm` by the API, and how long the kernel's deletion takes then.
fn created_and_removed(ours: &Engine, stock: &Engine) -> [Figure; 3] {
    let create = |http: &mut Http| {
        let created = http.call("POST", "/v1.47/networks/create", r#"{"Name":"bench"}"#);
        assert_eq!(created.status, 201, "{created:?}");
    };
    let remove = |http: &mut Http| {
        let removed = http.call("DELETE", "/v1.47/networks/bench", "");
        assert_eq!(removed.status, 204, "{removed:?}");
    };
    let milliseconds = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    let contender = |name, engine: &Engine, measured: usize| {
        let (socket, daemon) = (engine.socket(), engine.daemon_pid());
        let run = move || {
            let mut http = Http::connect(&socket);
            let devices = devices(daemon);
            let start = Instant::now();
            create(&mut http);
            let created = milliseconds(start);
            std::thread::sleep(REST);
            let start = Instant::now();
            remove(&mut http);
            let removed = milliseconds(start);
            wait_for_devices(daemon, devices);
            [created, removed, milliseconds(start)][measured]
        };
        Contender {
            name,
            run: Box::new(run),
        }
    };
    let figure = |name, measured, targets: &[Target]| {
        let contenders = vec![
            contender("gantry", ours, measured),
            contender("dockerd", stock, measured),
        ];
        interleaved(name, "ms", 15, contenders, targets)
    };
    [
        figure("network create by the API", 0, &[Target::AtMost(5.0)]),
        figure("network rm by the API", 1, &[Target::AtMost(10.0)]),
        figure("network rm until the kernel's bridge is gone", 2, &[]),
    ]
}

/// Devices where the engine lives.
fn devices(daemon: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{daemon}/net/dev"));
    text.expect("the kernel lists devices").lines().count()
}

fn wait_for_devices(daemon: u32, count: usize) {
    eventually("a device goes", Duration::from_secs(30), || {
        (devices(daemon) <= count).then_some(())
    });
}

/// A port for a running container, where it is the first and where 999 others are published.
fn thousandth(few: &Engine) -> Figure {
    let full = Engine::measured(Kind::Gantry);
    let ports = ports(0, BEFORE);
    start(&full, &format!("{{\"PortBindings\":{{{ports}}}}}"));
    let adding = |name, engine: &Engine| {
        let socket = engine.socket();
        let id = start(engine, "{}");
        let run = move || {
            let mut http = Http::connect(&socket);
            let mut update = |what: &str| {
                let body = format!("{{\"{what}\":{{\"80/tcp\":[{{\"HostPort\":\"9999\"}}]}}}}");
                let path = format!("/v1.47/containers/{id}/update");
                let updated = http.call("POST", &path, &body);
                assert_eq!(updated.status, 200, "{updated:?}");
            };
            let start = Instant::now();
            update("PublishAdd");
            let value = start.elapsed().as_secs_f64() * 1e3;
            update("PublishRm");
            value
        };
        Contender {
            name,
            run: Box::new(run),
        }
    };
    let contenders = vec![adding("the 1,000th", &full), adding("the first", few)];
    let target = Target::Share {
        of: "the first".to_owned(),
        at_most: 1.1,
    };
    let name = "publishing one port more, by the API";
    PACE.compare(name, "ms", contenders, &[target])
}

/// Port bindings that cannot be told as one range.
fn ports(first: u16, count: u16) -> String {
    let one = |n: u16| {
        let (container, host) = (20_000 + 3 * n, 10_000 + 2 * n);
        format!("\"{container}/tcp\":[{{\"HostPort\":\"{host}\"}}]")
    };
    let all: Vec<String> = (first..first + count).map(one).collect();
    all.join(",")
}

/// Starts a container that stays, and gives its identifier.
fn start(engine: &Engine, host_config: &str) -> String {
    let mut http = Http::connect(&engine.socket());
    let body = format!(
        "{{\"Image\":\"{BUSYBOX}\",\"Cmd\":[\"sleep\",\"100000\"],\"HostConfig\":{host_config}}}"
    );
    let created = http.call("POST", "/v1.47/containers/create", &body);
    let id = created.json()["Id"].as_str().expect("an id").to_owned();
    let started = http.call("POST", &format!("/v1.47/containers/{id}/start"), "");
    assert_eq!(started.status, 204, "{started:?}");
    id
}

/// What gantryd's own memory grows by with each network and with each published port. The first of them are
/// not counted: they take what all share.
fn memory() -> [Figure; 2] {
    let engine = Engine::measured(Kind::Gantry);
    let daemon = engine.daemon_pid();
    let mut http = Http::connect(&engine.socket());
    let mut networks = |from: u16| {
        for n in from..from + MANY {
            let body = format!("{{\"Name\":\"n{n}\"}}");
            let created = http.call("POST", "/v1.47/networks/create", &body);
            assert_eq!(created.status, 201, "{created:?}");
        }
    };
    let publish = |from: u16| {
        let ports = ports(from, 10 * MANY);
        start(&engine, &format!("{{\"PortBindings\":{{{ports}}}}}"));
    };
    let growth = |more: &mut dyn FnMut(u16), step: u16| {
        more(0);
        let before = usage::private_kib(daemon);
        more(step);
        let grown = usage::private_kib(daemon).saturating_sub(before);
        grown as f64 / f64::from(step)
    };
    let stated = |name: &str, value| {
        let figure = Figure {
            name: name.to_owned(),
            unit: "KiB".to_owned(),
            samples: vec![("gantry".to_owned(), vec![value])],
            targets: Vec::new(),
        };
        crate::report::say(&figure.line());
        figure
    };
    [
        stated("memory of a network", growth(&mut networks, MANY)),
        stated(
            "memory of a published port",
            growth(&mut |from| publish(from), 10 * MANY),
        ),
    ]
}
