//! Builds by each door, beside the newest dockerd's BuildKit and classic builder, and buildah.
//!
//! A cold build finds nothing of an earlier one, neither results nor files of its context; the
//! clients' start-up is part of each time unless its name says otherwise.

mod buildah;
mod door;
mod folder;
mod relay;
mod server;

use std::path::Path;
use std::time::Duration;

use integration_tests::{Engine, Kind};

use crate::figure::{Contender, Figure, Pace, REST, Target};
use buildah::Buildah;
use door::{Builder, Cache, Door, run};
use relay::Relay;

const PACE: Pace = Pace {
    runs: 3,
    rest: REST,
};
/// What takes milliseconds is measured more often.
const BRIEF: Pace = Pace {
    runs: 10,
    rest: REST,
};
/// How long a figure's runs go on before no more of them begin: the whole section is to fit six
/// minutes of a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(25);
/// Files of a large and of a very large context.
const FILES: [usize; 2] = [2_000, 20_000];
/// Instructions of a file whose results are all known.
const STEPS: usize = 30;

pub(crate) fn measure() -> Vec<Figure> {
    let ours = Engine::measured_on_a_disk(Kind::Gantry);
    let stock = Engine::measured_on_a_disk(Kind::Stock);
    let buildah = Buildah::new(&stock);
    let all = Builders {
        ours: &ours,
        stock: &stock,
        buildah: &buildah,
    };
    let folders = tempfile::tempdir().expect("a folder");
    let folders = folders.path();
    let mut figures = vec![all.eight(folders)];
    figures.push(all.cached(folders));
    figures.push(server::answer(
        &ours,
        &stock,
        &folder::steps(&folders.join("answered"), STEPS),
    ));
    figures.push(all.stages(folders));
    figures.extend(FILES.map(|files| all.copied(folders, files)));
    figures.extend(all.unchanged(folders));
    figures.push(server::cores(&ours, folders));
    figures.extend(server::memory(&ours, folders));
    figures.push(server::lookups(&ours, folders));
    drop(ours);
    drop(stock);
    figures
}

/// Everyone who builds.
struct Builders<'a> {
    ours: &'a Engine,
    stock: &'a Engine,
    buildah: &'a Buildah<'a>,
}

impl Builders<'_> {
    /// Our doors, then the peers.
    fn doors(&self) -> Vec<Door<'_>> {
        [
            ("buildx on gantry", Builder::Buildx(self.ours)),
            ("classic on gantry", Builder::Classic(self.ours)),
            ("gantry build", Builder::Gantry(self.ours)),
            ("BuildKit", Builder::Buildx(self.stock)),
            ("classic builder", Builder::Classic(self.stock)),
            ("buildah", Builder::Buildah(self.buildah)),
        ]
        .map(|(name, builder)| Door { name, builder })
        .into()
    }

    /// What all measure the same of, and the shares of the peers that ours is held to.
    fn compare(
        (name, pace): (&str, Pace),
        at_most: &[(&str, f64)],
        (doors, measured): (&[Door<'_>], impl Fn(&Door<'_>) -> f64),
    ) -> Figure {
        let measured = &measured;
        let contenders = doors.iter().map(|door| Contender {
            name: door.name,
            run: Box::new(move || measured(door)),
        });
        let targets: Vec<Target> = at_most
            .iter()
            .map(|(of, at_most)| Target::Share {
                of: (*of).to_owned(),
                at_most: *at_most,
            })
            .collect();
        pace.compare_within(LIMIT, (name, "ms"), contenders.collect(), &targets)
    }

    fn eight(&self, folders: &Path) -> Figure {
        let folder = folder::eight(&folders.join("eight"));
        let fastest = PEERS.map(|peer| (peer, 1.0 / 4.0));
        let build = |door: &Door<'_>| door.build(&folder, Cache::Ignored);
        let name = "build of 8 × RUN true, cold";
        Self::compare((name, PACE), &fastest, (&self.doors(), build))
    }

    /// By the same client, whose start-up both have: how long it takes to say its version.
    fn cached(&self, folders: &Path) -> Figure {
        let folder = &folder::steps(&folders.join("steps"), STEPS);
        let doors = self.doors();
        let contenders = [&doors[0], &doors[3]].map(|door| Contender {
            name: door.name,
            run: Box::new(move || {
                let start_up = door.start_up();
                door.build(folder, Cache::Used) - start_up
            }),
        });
        let target = Target::Share {
            of: "BuildKit".to_owned(),
            at_most: 1.0 / 3.0,
        };
        let name = format!("build of {STEPS} steps, all cached, buildx less its start-up");
        BRIEF.compare(&name, "ms", contenders.into(), &[target])
    }

    fn stages(&self, folders: &Path) -> Figure {
        let folder = folder::stages(&folders.join("stages"), "RUN true\nRUN true\n");
        let build = |door: &Door<'_>| door.build(&folder, Cache::Ignored);
        let name = "build of 4 stages, cold";
        let target = [("BuildKit", 0.65)];
        Self::compare((name, PACE), &target, (&self.doors(), build))
    }

    /// The classic builder takes too long over very many files to be waited for.
    fn copied(&self, folders: &Path, files: usize) -> Figure {
        let folder = folder::files(&folders.join(files.to_string()), files);
        let mut doors = self.doors();
        if files > FILES[0] {
            doors.retain(|door| !door.name.contains("classic"));
        }
        let fastest: Vec<(&str, f64)> = PEERS
            .into_iter()
            .filter(|peer| doors.iter().any(|door| door.name == *peer))
            .map(|peer| (peer, 1.0 / 3.0))
            .collect();
        let build = |door: &Door<'_>| {
            door.forget();
            door.build(&folder, Cache::Ignored)
        };
        let name = format!("COPY of {files} files, cold");
        Self::compare((&name, PACE), &fastest, (&doors, build))
    }

    /// A context that was built already: how long, and how many bytes go to the engine.
    fn unchanged(&self, folders: &Path) -> [Figure; 2] {
        let folder = folder::files(&folders.join("unchanged"), FILES[1]);
        let folder = folder.as_path();
        let doors = self.doors();
        let at = &|n: usize| &doors[3 * n];
        let relays = [self.ours, self.stock].map(|engine| Relay::new(&engine.socket()));
        let through = &|n: usize| {
            let mut command = at(n).command(folder, Cache::Used);
            let socket = relays[n].socket.display();
            command.env("DOCKER_HOST", format!("unix://{socket}"));
            run(&mut command);
            f64::from(u32::try_from(relays[n].sent()).unwrap_or(u32::MAX)) / 1024.0
        };
        let timed = [0, 1].map(|n| Contender {
            name: at(n).name,
            run: Box::new(move || at(n).build(folder, Cache::Used)),
        });
        let name = format!("rebuild of {} unchanged files", FILES[1]);
        let times = PACE.compare(&name, "ms", timed.into(), &[]);
        let sent = [0, 1].map(|n| Contender {
            name: at(n).name,
            run: Box::new(move || through(n)),
        });
        let name = format!("{name}, sent to the engine");
        let once = Pace {
            runs: 1,
            rest: Duration::ZERO,
        };
        [times, once.compare(&name, "KiB", sent.into(), &[])]
    }
}

const PEERS: [&str; 3] = ["BuildKit", "classic builder", "buildah"];
