//! Images: pull, load, save, push, import, commit and removal beside the newest stock engines and tools, what a
//! pull could take at best, and memory while a large layer comes in.
//!
//! Each round has images of its own, made of what no other round has: a disk is slow for a while after many
//! files were removed, so nothing is removed before all has been measured. The registry is
//! `docker-registry`, one in each engine's network namespace over the same folder.

mod contents;
mod floor;
mod peers;
mod registry;
mod work;

use std::cell::RefCell;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use contents::{Contents, archive};
use integration_tests::{Engine, Kind};
use peers::Podman;
use registry::Registry;

use crate::figure::{Contender, Figure, Pace, Target};

const PACE: Pace = Pace {
    runs: 3,
    rest: Duration::from_millis(300),
};
/// The rounds of [`PACE`]: one more than it has runs, to warm up.
const ROUNDS: u64 = 4;
const PORT: u16 = 5000;
const REGISTRY: &str = "127.0.0.1:5000";
/// Who takes more than so many times as long as we is measured in one round: the largest target is 4.
const CLEARLY: f64 = 6.0;
/// One layer of 1 GB.
const HUGE: &str = "127.0.0.1:5000/bench/huge:1";
const LARGE: &str = "160 MB in 4 layers";
const SMALL: &str = "20,000 files";
/// The most memory the engine may have while the huge layer comes in.
const MEMORY_MIB: f64 = 64.0;

pub(crate) fn measure() -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a folder");
    let ours = Engine::measured(Kind::Gantry);
    let stock = Engine::measured(Kind::Stock);
    let podman = Podman::new(&ours, dir.path().join("podman"));
    let registries =
        [&ours, &stock].map(|e| Registry::start(e, &dir.path().join("registry"), PORT));
    let bench = Bench {
        ours: &ours,
        stock: &stock,
        podman,
        dir: dir.path(),
    };
    bench.provide();
    let mut figures = bench.pull(LARGE, "large", 1.4);
    figures.extend(bench.pull(SMALL, "small", 4.0));
    figures.push(bench.load(LARGE, "large", 1.3));
    figures.push(bench.load(SMALL, "small", 4.0));
    figures.extend([bench.save(), bench.push(), bench.import()]);
    figures.extend([bench.commit(), bench.remove()]);
    figures.push(bench.memory());
    bench.podman.clear();
    drop(registries);
    figures
}

/// Everybody who takes part, and the images.
///
/// In `dir` lie `large-N.tar` and `small-N.tar`: those of the first [`ROUNDS`] are in the registry too, the next
/// are to be loaded. `rootfs-N.tar` are to be imported.
struct Bench<'a> {
    ours: &'a Engine,
    stock: &'a Engine,
    podman: Podman<'a>,
    dir: &'a Path,
}

impl Bench<'_> {
    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn provide(&self) {
        let contents = Contents::read();
        for n in 0..2 * ROUNDS {
            let large: Vec<_> = (0..4)
                .map(|layer| contents.one_file(4 * n + layer, 40_000_000))
                .collect();
            self.archive(&format!("large-{n}"), n < ROUNDS, &large);
            let small = [contents.small_files(n)];
            self.archive(&format!("small-{n}"), n < ROUNDS, &small);
        }
        for n in 0..ROUNDS {
            let rootfs = contents.small_files(2 * ROUNDS + n);
            std::fs::write(self.file(&format!("rootfs-{n}.tar")), rootfs).expect("a tar");
        }
        let huge = [contents.one_file(1000, 1_000_000_000)];
        archive(&self.dir.join("huge.tar"), HUGE, &huge);
        self.put("huge.tar", HUGE);
        rustix::fs::sync();
    }

    fn archive(&self, name: &str, pulled: bool, layers: &[Vec<u8>]) {
        let (file, image) = (format!("{name}.tar"), named(name));
        archive(&self.dir.join(&file), &image, layers);
        if pulled {
            self.put(&file, &image);
        }
    }

    /// Brings an archive to the registry.
    fn put(&self, file: &str, image: &str) {
        let from = format!("docker-archive:{}", self.file(file));
        let put = peers::copy(self.stock, &from, &format!("docker://{image}"));
        assert!(put, "the registry has no {image}");
        std::fs::remove_file(self.dir.join(file)).expect("it was written");
    }

    /// Who pulls and loads, and what it takes them; ours must be `times` as fast as each of the stock ones.
    fn compare(&self, name: &str, times: f64, contenders: Vec<Contender<'_>>) -> Figure {
        let at_most = 1.0 / times;
        let others = contenders.iter().skip(1).map(|contender| contender.name);
        let mut targets: Vec<_> = others
            .filter(|name| *name != "floor")
            .map(|name| Target::Share {
                of: name.to_owned(),
                at_most,
            })
            .collect();
        if name.starts_with("pull") && name.ends_with(LARGE) {
            targets.push(Target::Share {
                of: "floor".to_owned(),
                at_most: 1.2,
            });
        }
        PACE.sparing(CLEARLY, (name, "ms"), contenders, &targets)
    }

    fn pull(&self, name: &str, images: &str, times: f64) -> Vec<Figure> {
        let cpu = [RefCell::default(), RefCell::default()];
        let engine = |label, engine, cpu| engine_pull(label, (engine, images), cpu);
        let contenders = vec![
            engine("gantry", self.ours, &cpu[0]),
            engine("dockerd", self.stock, &cpu[1]),
            rounds("containerd", |n| {
                let image = named(&format!("{images}-{n}"));
                peers::ctr(self.stock, &["images", "pull", "--plain-http", &image])
            }),
            rounds("podman", |n| {
                let image = named(&format!("{images}-{n}"));
                self.podman
                    .run("pull", &["-q", "--tls-verify=false", &image])
            }),
            rounds("skopeo+umoci", |n| {
                let image = format!("docker://{}", named(&format!("{images}-{n}")));
                let to = |what| self.file(&format!("{what}-{images}-{n}"));
                peers::umoci(self.ours, &image, &to("layout"), &to("bundle"))
            }),
            rounds("floor", |n| {
                let place = self.dir.join(format!("floor-{images}-{n}"));
                std::fs::create_dir(&place).expect("a folder");
                floor::fetch_all(self.ours, &named(&format!("{images}-{n}")), &place);
                true
            }),
        ];
        let taken = self.compare(&format!("pull, cold, {name}"), times, contenders);
        // The first is the warm-up's.
        let [ours, stock] = cpu.map(|cpu| cpu.into_inner().split_off(1));
        let cpu = Figure {
            name: format!("processor time of the daemon, pull, cold, {name}"),
            unit: "ms".to_owned(),
            samples: vec![("gantry".to_owned(), ours), ("dockerd".to_owned(), stock)],
            targets: vec![Target::of_dockerd(1.0)],
        };
        crate::report::say(&cpu.line());
        vec![taken, cpu]
    }

    /// The most memory of each daemon while a layer of 1 GB is pulled.
    fn memory(&self) -> Figure {
        let peak = |engine: &Engine| {
            let pid = engine.daemon_pid();
            // Begins to measure the peak anew (proc_pid_clear_refs(5)).
            std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of ours");
            assert!(docker(engine, &["pull", "-q", HUGE]), "{HUGE}");
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib: Option<f64> = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
            kib.expect("a number") / 1024.0
        };
        let figure = Figure {
            name: "peak memory, pull of a 1 GB layer".to_owned(),
            unit: "MiB".to_owned(),
            samples: vec![
                ("gantry".to_owned(), vec![peak(self.ours)]),
                ("dockerd".to_owned(), vec![peak(self.stock)]),
            ],
            targets: vec![Target::AtMost(MEMORY_MIB)],
        };
        crate::report::say(&figure.line());
        figure
    }
}

/// A pull by an engine, whose daemon's processor time is kept.
fn engine_pull<'a>(
    name: &'a str,
    (engine, images): (&'a Engine, &'a str),
    cpu: &'a RefCell<Vec<f64>>,
) -> Contender<'a> {
    rounds(name, move |n| {
        let before = cpu_ms(engine);
        let done = docker(engine, &["pull", "-q", &named(&format!("{images}-{n}"))]);
        cpu.borrow_mut().push(cpu_ms(engine) - before);
        done
    })
}

fn named(image: &str) -> String {
    format!("{REGISTRY}/bench/{image}:1")
}

/// A contender that is told the round, whose disk is at rest before each, and who says whether it went well.
fn rounds<'a>(name: &'a str, mut work: impl FnMut(u64) -> bool + 'a) -> Contender<'a> {
    let mut round = 0;
    let run = move || {
        rustix::fs::sync();
        let start = Instant::now();
        let done = work(round);
        let taken = start.elapsed();
        round += 1;
        value(name, done, taken)
    };
    Contender {
        name,
        run: Box::new(run),
    }
}

/// What a run counts for: of a peer that failed nothing does; ours must not fail.
fn value(name: &str, done: bool, taken: Duration) -> f64 {
    assert!(done || name != "gantry", "gantry failed");
    match done {
        true => taken.as_secs_f64() * 1e3,
        false => f64::NAN,
    }
}

fn docker(engine: &Engine, words: &[&str]) -> bool {
    quietly(&mut engine.docker().command(words))
}

/// Whether a command went well. What it says where it did not is shown: a figure may lack its peer.
fn quietly(command: &mut std::process::Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.status();
    let done = status.as_ref().is_ok_and(std::process::ExitStatus::success);
    if !done {
        crate::report::say(&format!("  failed: {command:?}: {status:?}"));
    }
    done
}

/// Processor time of an engine's daemon and of the children it has waited for.
fn cpu_ms(engine: &Engine) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", engine.daemon_pid()));
    let stat = stat.expect("it runs");
    // utime, stime, cutime and cstime, the fields 14 to 17 (proc_pid_stat(5)); the name ends the second.
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let ticks: f64 = fields
        .split(' ')
        .skip(11)
        .take(4)
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum();
    // USER_HZ is 100 on every architecture that we run on.
    ticks * 10.0
}
