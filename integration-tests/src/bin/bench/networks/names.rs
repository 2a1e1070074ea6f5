//! Names: how many questions a container's name service answers, asked from within.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, leaks, usage};

use super::traffic::Place;
use crate::figure::{Figure, Target};

/// Questions that are open at once.
const OPEN: u16 = 16;
const LASTS: Duration = Duration::from_secs(1);
const RUNS: usize = 5;

/// What one run told: microseconds per answer, of the server's processor per answer, and the time below which 99 of
/// 100 answers came, in milliseconds.
type Told = [f64; 3];

pub(super) fn measure(engine: &Engine) -> [Figure; 3] {
    let docker = engine.docker();
    docker.run(&["network", "create", "names"]).ok();
    let shims = || leaks::processes_of(engine.dir(), "containerd-shim-lite-v2");
    let run = |name: &str| {
        let sleep = [BUSYBOX, "sleep", "100000"];
        let run = ["run", "-d", "--network", "names", "--name", name];
        docker.run(&[&run[..], &sleep].concat()).ok()
    };
    run("peer");
    let before = shims();
    let id = run("asker");
    let shim = shims().into_iter().find(|pid| !before.contains(pid));
    let shim = shim.expect("a shim of its own");
    let pid = docker.run(&["inspect", "-f", "{{.State.Pid}}", &id]).ok();
    let inside = Place::of_process(pid.parse().expect("a number"));
    let told: Vec<Told> = (0..=RUNS).map(|_| inside.run(|| ask(shim))).collect();
    let figure = |name: &str, unit: &str, n: usize, at_most| {
        let samples = told.iter().skip(1).map(|told| told[n]).collect();
        let figure = Figure {
            name: name.to_owned(),
            unit: unit.to_owned(),
            samples: vec![("gantry".to_owned(), samples)],
            targets: vec![Target::AtMost(at_most)],
        };
        crate::report::say(&figure.line());
        figure
    };
    // 20,000 a second are 50 µs each.
    [
        figure("names: an answer, 16 asked at once", "µs", 0, 50.0),
        figure("names: an answer, the server's processor", "µs", 1, 50.0),
        figure("names: 99 of 100 answers came within", "ms", 2, 1.0),
    ]
}

fn ask(shim: u32) -> Told {
    let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    client.connect("127.0.0.11:53").expect("an address");
    let limit = Some(Duration::from_secs(10));
    client.set_read_timeout(limit).expect("an option");
    let mut sent = vec![Instant::now(); usize::from(OPEN)];
    for id in 0..OPEN {
        client.send(&question(id)).expect("it is sent");
    }
    let (start, ran) = (Instant::now(), usage::ran_for(shim));
    let (mut times, mut buffer) = (Vec::new(), [0; 512]);
    while start.elapsed() < LASTS {
        let length = client.recv(&mut buffer).expect("an answer");
        assert_eq!(
            (buffer[3] & 15, buffer[7]),
            (0, 1),
            "{:?}",
            &buffer[..length]
        );
        let id = u16::from_be_bytes([buffer[0], buffer[1]]);
        let asked = &mut sent[usize::from(id)];
        times.push(asked.elapsed());
        *asked = Instant::now();
        client.send(&question(id)).expect("it is sent");
    }
    let (elapsed, ran) = (start.elapsed(), usage::ran_for(shim).saturating_sub(ran));
    times.sort_unstable();
    let each = |all: Duration| all.as_secs_f64() * 1e6 / times.len() as f64;
    let late = times[(times.len() - 1) * 99 / 100];
    [each(elapsed), each(ran), late.as_secs_f64() * 1e3]
}

/// The question for the address of `peer`.
fn question(id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let head = [high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], b"\x04peer\0\0\x01\0\x01"].concat()
}
