//! Images when everything ends at any instant: whole or gone, never half.
//!
//! Two ways to end: the engine is killed, and the disk is imaged while the engine works (what a power cut
//! leaves: what was not synced is not there). For the second the data root lies on a file on XFS, of which
//! the kernel makes a copy of one instant. The seed is printed and can be given again as `GANTRY_SEED`;
//! `GANTRY_INSTANTS` asks for more of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use integration_tests::client::finish;
use integration_tests::image::{BUSYBOX, busybox_tar};
use integration_tests::{Client, Engine, Kind};

use crate::crash::Chance;
use crate::registries::{REGISTRY, Registry};

/// How many instants of kills and of images of the disk.
const KILLS: u64 = 12;
const IMAGES: u64 = 25;
/// The same where a quick answer is asked for.
const QUICK: u64 = 4;

fn instants(usual: u64) -> u64 {
    let asked = std::env::var("GANTRY_INSTANTS").ok();
    let asked = asked.map(|text| text.parse().expect("GANTRY_INSTANTS is a number"));
    let quick = std::env::var_os("GANTRY_TEST_QUICK").is_some();
    asked.unwrap_or(if quick { QUICK } else { usual })
}

/// The image that comes and goes: in the registry and as an archive.
struct Cargo {
    name: String,
    archive: String,
}

impl Cargo {
    /// Makes an image of three layers, one of them of many files, and a container with changes.
    fn make(engine: &Engine) -> Self {
        let docker = engine.docker();
        let cargo = Self {
            name: format!("{REGISTRY}/cargo:1"),
            archive: engine.dir().join("cargo.tar").display().to_string(),
        };
        let large = "dd if=/dev/urandom of=/large bs=64k count=64 2>/dev/null";
        let many = "mkdir /many; for i in $(seq 200); do echo $i >/many/$i; done";
        let run = |name: &str, from: &str, script: &str| {
            let plain = [
                "run",
                "--network",
                "none",
                "--name",
                name,
                from,
                "sh",
                "-c",
                script,
            ];
            docker.run(&plain).ok();
        };
        run("first", BUSYBOX, large);
        docker.run(&["commit", "first", "first:1"]).ok();
        run("second", "first:1", many);
        docker.run(&["commit", "second", &cargo.name]).ok();
        docker.run(&["push", "-q", &cargo.name]).ok();
        docker
            .run(&["save", "-o", &cargo.archive, &cargo.name])
            .ok();
        run(
            "held",
            BUSYBOX,
            "dd if=/dev/urandom of=/x bs=64k count=32 2>/dev/null; echo 1 >/y",
        );
        docker.run(&["rm", "first", "second"]).ok();
        docker.run(&["rmi", "first:1", &cargo.name]).ok();
        cargo
    }

    /// One of the things that change images.
    fn deed(&self, number: u64) -> Vec<&str> {
        match number % 4 {
            0 => vec!["pull", "-q", &self.name],
            1 => vec!["load", "-q", "-i", &self.archive],
            2 => vec!["commit", "held", "made:1"],
            _ => vec!["rmi", "-f", &self.name, "made:1"],
        }
    }
}

/// Every image that is there is whole, and what was there from the beginning is.
fn check(engine: &Engine) {
    let docker = engine.docker();
    let found = engine.gantry().run(&["system", "fsck"]);
    assert_eq!((found.code, found.out.as_str()), (0, ""), "{found:?}");
    let ids = docker.run(&["images", "-aq", "--no-trunc"]).ok();
    for id in ids.lines() {
        // Every layer's digest is compared on the way.
        let mut save = docker.command(&["save", id]);
        let saved = save.stdout(Stdio::null()).stderr(Stdio::piped());
        let saved = saved.output().expect("docker runs");
        assert!(saved.status.success(), "{id}: {saved:?}");
    }
    docker.run(&["image", "inspect", BUSYBOX]).ok();
}

fn start(docker: &Client, words: &[&str]) -> std::process::Child {
    let mut command = docker.command(words);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("docker starts")
}

#[test]
fn images_are_whole_or_gone_when_the_engine_is_killed() {
    let mut engine = Engine::of(Kind::Gantry, &[]);
    let registry = Registry::start(&engine);
    let mut chance = Chance::from_environment();
    let cargo = Cargo::make(&engine);
    let docker = engine.docker();
    for instant in 0..instants(KILLS) {
        // What removes has something to remove.
        if instant % 4 == 3 {
            docker.run(&["pull", "-q", &cargo.name]).ok();
        }
        let words = cargo.deed(instant);
        let child = start(&docker, &words);
        std::thread::sleep(Duration::from_millis(chance.below(400)));
        engine.kill_daemon();
        engine.start_daemon();
        // It may have been done, or cut off; what had only knocked is served by the new engine.
        finish(child, &words);
        check(&engine);
    }
    docker.run(&["pull", "-q", &cargo.name]).ok();
    docker
        .run(&[
            "run",
            "--rm",
            "--network",
            "none",
            &cargo.name,
            "cat",
            "/many/200",
        ])
        .ok();
    check(&engine);
    drop(registry);
    engine.finish();
}

/// An XFS of its own, with the file that an engine's disk is made of.
struct Disk(tempfile::TempDir);

impl Disk {
    fn make() -> Self {
        let dir = tempfile::Builder::new().prefix("gantry-disk-").tempdir();
        let disk = Self(dir.expect("a folder"));
        let place = disk.0.path();
        std::fs::create_dir(disk.mounted()).expect("a folder");
        sized(&place.join("xfs"), 16 << 30);
        run(Command::new("mkfs.xfs")
            .args(["-q", "-m", "reflink=1"])
            .arg(place.join("xfs")));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(place.join("xfs"))
            .arg(disk.mounted()));
        sized(&disk.file(), 768 << 20);
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(disk.file()));
        disk
    }

    fn mounted(&self) -> PathBuf {
        self.0.path().join("mounted")
    }

    /// What the engine's disk is made of.
    fn file(&self) -> PathBuf {
        self.mounted().join("disk")
    }

    /// The disk as it is now.
    fn image(&self, number: u64) -> PathBuf {
        let copy = self.mounted().join(format!("image{number}"));
        run(Command::new("cp")
            .arg("--reflink=always")
            .arg(self.file())
            .arg(&copy));
        copy
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.mounted()).status();
    }
}

fn sized(path: &Path, bytes: u64) {
    let file = std::fs::File::create(path).expect("a file");
    file.set_len(bytes).expect("a hole");
}

fn run(command: &mut Command) {
    let out = command.output().expect("it starts");
    assert!(out.status.success(), "{command:?}: {out:?}");
}

#[test]
fn images_are_whole_or_gone_when_the_disk_is_imaged() {
    let mut chance = Chance::from_environment();
    let disk = Disk::make();
    let engine = Engine::on_disk(Kind::Gantry, &disk.file());
    let registry = Registry::start(&engine);
    engine
        .docker()
        .run_with(&["import", "-", BUSYBOX], busybox_tar())
        .ok();
    let cargo = Cargo::make(&engine);
    let done = AtomicBool::new(false);
    let seed = chance.below(u64::MAX);
    let images: Vec<PathBuf> = std::thread::scope(|scope| {
        let docker = engine.docker();
        let (done, cargo) = (&done, &cargo);
        let worker = scope.spawn(move || {
            let mut chance = Chance::from_seed(seed);
            while !done.load(Ordering::Relaxed) {
                // To remove what is not there, or to pull what is, is no deed but harmless.
                docker.run(&cargo.deed(chance.below(4)));
            }
        });
        let images = (0..instants(IMAGES)).map(|number| {
            std::thread::sleep(Duration::from_millis(chance.below(300)));
            disk.image(number)
        });
        let images = images.collect();
        done.store(true, Ordering::Relaxed);
        worker.join().expect("the worker ends");
        images
    });
    check(&engine);
    drop(registry);
    engine.finish();
    for image in images {
        let engine = Engine::on_disk(Kind::Gantry, &image);
        check(&engine);
        drop(engine);
        std::fs::remove_file(image).expect("nobody has it");
    }
}
