//! What is asked of our engine alone: its own time, its processors, its memory.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, usage};

use super::door::{Builder, Cache, Door};
use super::folder;
use crate::figure::{Contender, Figure, Target, interleaved};

/// A program that keeps a processor busy for some seconds.
const WORK: &str = "RUN i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done\n";
/// Bytes of a large context.
const LARGE_BYTES: u64 = 1 << 30;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Results that a cache of long use has, by builds of so many groups of so many stages: a layer for each
/// stage, one for its copy, one for each group's.
const RECORDS: usize = 10_000;
const GROUPS: usize = 25;
const STAGES: usize = 20;
const STEPS: usize = GROUPS * (2 * STAGES + 1);

/// A build by the API, from the first byte of the request to the last one of the answer.
fn answered(engine: &Engine, tar: &[u8]) -> f64 {
    let mut http = Http::connect(&engine.socket());
    let start = Instant::now();
    let head = "Content-Type: application/x-tar\r\n";
    let answer = http.send("POST", "/build?q=1", head, tar);
    let value = start.elapsed().as_secs_f64() * 1e3;
    let told = String::from_utf8_lossy(&answer.body);
    assert!(
        answer.status == 200 && !told.contains("errorDetail"),
        "{told}"
    );
    value
}

fn packed(folder: &Path) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all(".", folder).expect("packed");
    tar.into_inner().expect("packed")
}

/// A build whose results are all known, without a client's process.
pub(super) fn answer(ours: &Engine, stock: &Engine, folder: &Path) -> Figure {
    let tar = &packed(folder);
    let contender = |name, engine| Contender {
        name,
        run: Box::new(move || answered(engine, tar)),
    };
    let contenders = vec![
        contender("gantry", ours),
        contender("classic builder", stock),
    ];
    let third = Target::Share {
        of: "classic builder".to_owned(),
        at_most: 1.0 / 3.0,
    };
    let name = "build of 30 steps, all cached, by the API";
    interleaved(name, "ms", 20, contenders, &[Target::AtMost(10.0), third])
}

/// Four stages that compute, beside one of them: 1 where every processor is busy all the time.
pub(super) fn cores(engine: &Engine, folders: &Path) -> Figure {
    let one = folder::of(&folders.join("one"), &format!("FROM {BUSYBOX}\n{WORK}"));
    let four = folder::stages(&folders.join("four"), WORK);
    let door = Door {
        name: "gantry",
        builder: Builder::Gantry(engine),
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let at_best = 4.0 / processors.min(4) as f64;
    let contender = Contender {
        name: "gantry",
        run: Box::new(|| {
            let one = door.build(&one, Cache::Ignored);
            door.build(&four, Cache::Ignored) / (one * at_best)
        }),
    };
    interleaved(
        "4 stages of work, to what all processors could do",
        "×",
        3,
        vec![contender],
        &[Target::AtMost(1.2)],
    )
}

/// The most memory that is not others' too while 1 GiB is sent and copied.
pub(super) fn memory(engine: &Engine, folders: &Path) -> [Figure; 2] {
    let folder = folder::of(&folders.join("large"), "FROM scratch\nCOPY large /\n");
    let file = File::create(folder.join("large")).expect("a file");
    // Holes for the disk; for the engine bytes like others.
    file.set_len(LARGE_BYTES).expect("a long file");
    let doors = [
        ("buildx", Builder::Buildx(engine)),
        ("gantry build", Builder::Gantry(engine)),
    ];
    doors.map(|(name, builder)| {
        let door = Door {
            name: "gantry",
            builder,
        };
        let peak = peak_kib(engine.daemon_pid(), || {
            door.build(&folder, Cache::Ignored);
        });
        door.forget();
        let figure = Figure {
            name: format!("the daemon's memory with a context of 1 GiB, {name}"),
            unit: "MiB".to_owned(),
            samples: vec![("gantry".to_owned(), vec![peak as f64 / 1024.0])],
            targets: vec![Target::AtMost(100.0)],
        };
        crate::report::say(&figure.line());
        figure
    })
}

/// The most private memory of a process while something is done.
fn peak_kib(pid: u32, work: impl FnOnce()) -> u64 {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !ended.load(Ordering::Relaxed) {
                peak = peak.max(usage::private_kib(pid));
                thread::sleep(LOOK);
            }
            peak
        });
        work();
        ended.store(true, Ordering::Relaxed);
        watch.join().expect("the watch ends")
    })
}

/// A build of many steps whose results are all known, among very many.
pub(super) fn lookups(engine: &Engine, folders: &Path) -> Figure {
    let folder = folders.join("many");
    let mut tars = Vec::new();
    for build in 0..RECORDS.div_ceil(STEPS) {
        tars.push(packed(&folder::of(&folder, &many(build))));
        answered(engine, &tars[build]);
    }
    fs::remove_dir_all(&folder).expect("the folder goes");
    let mut next = 0;
    let contender = Contender {
        name: "gantry",
        run: Box::new(|| {
            next = (next + 7) % tars.len();
            answered(engine, &tars[next]) / STEPS as f64
        }),
    };
    interleaved(
        "a cached step among 10,000 results, by the API",
        "ms",
        10,
        vec![contender],
        &[Target::AtMost(1.0)],
    )
}

/// A file of many steps that share nothing with those of another number.
fn many(number: usize) -> String {
    let (mut text, mut last) = (String::new(), "FROM scratch\n".to_owned());
    for group in 0..GROUPS {
        let mut gathered = format!("FROM scratch AS g{group}\n");
        for stage in 0..STAGES {
            let (name, file) = (format!("s{group}-{stage}"), format!("/{stage}"));
            text += &format!("FROM scratch AS {name}\nCOPY <<E {file}\n{number} {name}\nE\n");
            gathered += &format!("COPY --from={name} {file} /\n");
        }
        text += &gathered;
        last += &format!("COPY --from=g{group} / /{group}\n");
    }
    text + &last
}
