//! Daemons killed at random instants: containers run on, nothing is lost, nothing is left.
//!
//! The seed is printed and can be given again as `GANTRY_SEED`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, Kind, eventually, programs};

/// How many times something is killed, and how often where a quick answer is asked for.
const KILLS: usize = 50;
const QUICK_KILLS: usize = 8;
const LINES: usize = 200_000;

fn kills() -> usize {
    let quick = std::env::var_os("GANTRY_TEST_QUICK").is_some();
    if quick { QUICK_KILLS } else { KILLS }
}

/// A small generator; a run is replayed by its seed.
pub(crate) struct Chance(u64);

impl Chance {
    /// What `GANTRY_SEED` says, or a new one, which is printed.
    pub(crate) fn from_environment() -> Self {
        let given = std::env::var("GANTRY_SEED")
            .ok()
            .and_then(|s| s.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::from(now.expect("a clock past 1970").subsec_nanos()) | 1
        });
        println!("GANTRY_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Work that goes on while things die. It may fail; what it says it did must be true.
fn work(docker: &Client, phase: &Mutex<&'static str>, done: &AtomicBool) -> usize {
    let mut finished = 0;
    let enter = |name| *phase.lock().expect("no panic inside") = name;
    while !done.load(Ordering::Relaxed) {
        enter("create");
        let name = format!("work{finished}");
        let made = docker.run(&[
            "create",
            "--name",
            &name,
            BUSYBOX,
            "sh",
            "-c",
            "echo $0; exit 5",
        ]);
        enter("start");
        let started = made.code == 0 && docker.run(&["start", &name]).code == 0;
        enter("wait");
        if started {
            let code = docker.run(&["wait", &name]);
            assert!(
                code.code != 0 || code.out == "5\n",
                "the exit code was lost: {code:?}"
            );
        }
        enter("remove");
        docker.run(&["rm", "-f", &name]);
        finished += 1;
    }
    finished
}

#[test]
fn nothing_is_lost_when_daemons_are_killed() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock stalls writers and loses exit codes: shown by the references, not by this test.
        return engine.finish();
    }
    let mut chance = Chance::from_environment();
    let docker = engine.docker();
    let writer = format!(
        "i=0; while [ $i -lt {LINES} ]; do echo $i; i=$((i+1)); [ $((i % 2000)) = 0 ] && usleep 20000; done; exit 42"
    );
    let all = ["--log-opt", "max-size=100m"];
    let run = ["run", "-d", "--name", "writer"];
    docker
        .run(&[&run[..], &all, &[BUSYBOX, "sh", "-c", &writer]].concat())
        .ok();
    let (phase, done) = (Mutex::new("begin"), AtomicBool::new(false));
    let mut killed = Vec::new();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&docker, &phase, &done));
        for _ in 0..kills() {
            let pause = Duration::from_millis(chance.below(250));
            let start = Instant::now();
            while start.elapsed() < pause && !worker.is_finished() {
                std::thread::yield_now();
            }
            let victim = chance.below(3);
            killed.push((*phase.lock().expect("no panic inside"), victim));
            if victim != 0 {
                engine.kill_supervisor();
            }
            if victim != 1 {
                engine.kill_daemon();
                engine.start_daemon();
            }
        }
        done.store(true, Ordering::Relaxed);
        let finished = worker.join().expect("the worker saw nothing wrong");
        println!("{finished} containers were worked on; killed in: {killed:?}");
    });
    let docker = engine.docker();
    assert_eq!(docker.run(&["wait", "writer"]).ok(), "42");
    let logged = docker.run(&["logs", "writer"]).ok();
    let mut lines = logged.lines();
    for n in 0..LINES {
        assert_eq!(lines.next(), Some(n.to_string().as_str()), "line {n}");
    }
    assert_eq!(lines.next(), None);
    eventually(
        "the worker's containers can be removed",
        Duration::from_secs(10),
        || {
            let left = docker.run(&["ps", "-aq", "--filter", "name=work"]).ok();
            let ids: Vec<&str> = left.lines().collect();
            ids.is_empty().then_some(()).or_else(|| {
                docker.run(&[&["rm", "-f"], ids.as_slice()].concat());
                None
            })
        },
    );
    engine.finish();
}

fn since_1970() -> Duration {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .expect("a clock past 1970")
}

#[test]
fn an_exit_while_nobody_watches_is_known_afterwards() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let docker = engine.docker();
    let begun = since_1970();
    let script = "sleep 0.5; echo last words; exit 7";
    docker
        .run(&["run", "-d", "--name", "cc", BUSYBOX, "sh", "-c", script])
        .ok();
    docker
        .run(&[
            "run", "-d", "--rm", "--name", "gone", BUSYBOX, "sleep", "0.5",
        ])
        .ok();
    let format = "{{.State.Pid}}";
    let pid = docker.run(&["inspect", "-f", format, "cc"]).ok();
    engine.kill_daemon();
    engine.kill_supervisor();
    eventually("the container has ended", Duration::from_secs(10), || {
        (!std::path::Path::new("/proc").join(&pid).exists()).then_some(())
    });
    let ended = since_1970();
    engine.start_daemon();
    assert_eq!(docker.run(&["wait", "cc"]).ok(), "7");
    assert_eq!(docker.run(&["logs", "cc"]).ok(), "last words");
    let finished = docker
        .run(&["inspect", "-f", "{{.State.FinishedAt}}", "cc"])
        .ok();
    let shown = std::process::Command::new("date")
        .args(["-d", &finished, "+%s"])
        .output();
    let shown = String::from_utf8(shown.expect("date runs").stdout).expect("a number");
    let shown = Duration::from_secs(shown.trim().parse().expect("a number"));
    // The moment of the exit, not that of its discovery; `date` cuts to the second.
    let second = Duration::from_secs(1);
    assert!(begun <= shown + second && shown <= ended, "{finished}");
    eventually("--rm acted", Duration::from_secs(5), || {
        docker
            .run(&["inspect", "gone"])
            .err
            .contains("No such object")
            .then_some(())
    });
    engine.finish();
}

#[test]
fn a_published_port_answers_while_the_daemons_are_dead() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // The userland proxy is dockerd's child, but the container's answer is the kernel's.
        return engine.finish();
    }
    let serve = "while :; do echo served | nc -l -p 80; done";
    engine
        .docker()
        .run(&["run", "-d", "-p", "8080:80", BUSYBOX, "sh", "-c", serve])
        .ok();
    engine.kill_daemon();
    engine.kill_supervisor();
    eventually("an answer", Duration::from_secs(10), || {
        let mut client = engine.on_host("busybox");
        let answer = client.args(["nc", "-w", "2", "127.0.0.1", "8080"]).output();
        (answer.expect("busybox runs").stdout == b"served\n").then_some(())
    });
    engine.start_daemon();
    engine.finish();
}

#[test]
fn the_engines_socket_inside_a_container_answers_again() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock dockerd makes a new socket at each start; the container holds the old one.
        return engine.finish();
    }
    let docker = programs::stock("docker");
    let peers = docker
        .parent()
        .and_then(std::path::Path::parent)
        .expect("a folder");
    let stock = format!("{0}:{0}:ro", peers.display());
    let socket = format!("{}:/var/run/docker.sock", engine.socket().display());
    let run = [
        "run", "-d", "--name", "inside", "-v", &socket, "-v", &stock, BUSYBOX, "sleep", "1000",
    ];
    engine.docker().run(&run).ok();
    let ask = |engine: &Engine| {
        let docker = docker.to_string_lossy();
        let ps = [
            &docker,
            "-H",
            "unix:///var/run/docker.sock",
            "ps",
            "--format",
            "{{.Names}}",
        ];
        engine
            .docker()
            .run(&[&["exec", "inside"], &ps[..]].concat())
            .ok()
    };
    assert_eq!(ask(&engine), "inside");
    engine.kill_daemon();
    engine.kill_supervisor();
    engine.start_daemon();
    assert_eq!(ask(&engine), "inside", "after both were killed");
    engine.stop_daemon();
    engine.start_daemon();
    assert_eq!(ask(&engine), "inside", "after the daemon was stopped");
    engine.finish();
}

#[test]
fn a_daemon_that_is_stopped_takes_down_first_what_was_removed() {
    let mut engine = Engine::start();
    let before: Vec<_> = (0..4).map(|n| format!("gone{n}")).collect();
    for name in &before {
        let run = [
            "run", "-d", "--name", name, "-p", "80", BUSYBOX, "sleep", "1000",
        ];
        engine.docker().run(&run).ok();
    }
    let names: Vec<&str> = before.iter().map(String::as_str).collect();
    engine
        .docker()
        .run(&[&["rm", "-f"], &names[..]].concat())
        .ok();
    engine.stop_daemon();
    let left = engine.left_of_containers();
    assert!(left.is_empty(), "left until the next start:\n{left}");
    engine.start_daemon();
    engine.finish();
}
