//! runc-lite beside runc and crun, on the bundle that stock dockerd writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use gantry_linux::namespace::{self, Namespaces};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, programs};

use crate::figure::{Contender, Figure, Pace, REST, Target};

const RUNS: usize = 30;

/// The rests before a run: none that a service's restart would see, and one after which the kernel's
/// RCU machinery sleeps.
const RESTS: [(&str, Duration); 2] = [
    ("runtime: run true", REST),
    (
        "runtime: run true, after 300 ms of rest",
        Duration::from_millis(300),
    ),
];

pub(crate) fn measure() -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a folder");
    let bundle = bundle(dir.path());
    // A thread of its own, because it leaves this program's mount namespace.
    thread::scope(|scope| {
        let all = scope.spawn(|| {
            leave_mounts();
            hide_hybrid();
            let states = dir.path().join("states");
            std::fs::create_dir(&states).expect("a folder");
            // Where every engine keeps it: a disk would have its say in each run.
            mount("tmpfs", &states, "tmpfs", MountFlags::empty(), None).expect("a tmpfs");
            let figure = |(name, rest)| compare(name, rest, &states, &bundle);
            RESTS.into_iter().map(figure).collect()
        });
        all.join().expect("the runtimes can be measured")
    })
}

fn compare(name: &str, rest: Duration, states: &Path, bundle: &Path) -> Figure {
    let runtimes = [
        ("runc-lite", programs::ours("runc-lite")),
        ("crun", programs::stock("crun")),
        ("runc", programs::stock("runc")),
    ];
    let contenders = runtimes
        .iter()
        .map(|(runtime, program)| {
            let state = states.join(runtime);
            Contender::timed(runtime, move || {
                let mut command = Command::new(program);
                command.arg("--root").arg(&state).arg("run");
                command.arg("--bundle").arg(bundle).arg("bench");
                quiet(&mut command);
            })
        })
        .collect();
    let targets = [
        Target::Share {
            of: "crun".to_owned(),
            at_most: 0.4,
        },
        Target::Share {
            of: "runc".to_owned(),
            at_most: 1.0 / 6.0,
        },
    ];
    Pace { runs: RUNS, rest }.compare(name, "ms", contenders, &targets)
}

/// A mount namespace that all the runtimes share, so that what is mounted here is no one else's.
fn leave_mounts() {
    namespace::unshare(Namespaces::MOUNT).expect("a mount namespace");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("private mounts");
}

/// crun refuses a hybrid machine unless the file that tells it so is hidden.
fn hide_hybrid() {
    let marker = "/sys/fs/cgroup/unified/cgroup.controllers";
    if !Path::new(marker).exists() {
        return;
    }
    mount_bind("/dev/null", marker).expect("the marker can be hidden");
}

/// The bundle of a container of stock dockerd: its default profile, capabilities, masks and limits;
/// what names that engine's files is taken out.
fn bundle(dir: &Path) -> PathBuf {
    let engine = Engine::of(Kind::Stock, &[]);
    let docker = engine.docker();
    let id = docker
        .run(&["run", "-d", "--network", "none", BUSYBOX, "sleep", "1000"])
        .ok();
    let state = engine
        .exec_root()
        .join("containerd/daemon/io.containerd.runtime.v2.task/moby");
    let text = std::fs::read_to_string(state.join(&id).join("config.json")).expect("a bundle");
    let mut spec: serde_json::Value = serde_json::from_str(&text).expect("json");
    let bundle = dir.join("bundle");
    std::fs::create_dir_all(bundle.join("rootfs")).expect("a bundle's folder");
    let mut untar = tar::Archive::new(integration_tests::image::busybox_tar());
    untar
        .unpack(bundle.join("rootfs"))
        .expect("a root filesystem");
    spec["root"]["path"] = "rootfs".into();
    spec["process"]["args"] = serde_json::json!(["true"]);
    spec["linux"]["cgroupsPath"] = "/gantry-bench/one".into();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("hooks");
    }
    let own = |m: &serde_json::Value| m["type"] != "bind";
    let mounts = spec["mounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .filter(|m| own(m))
        .cloned();
    spec["mounts"] = mounts.collect();
    std::fs::write(bundle.join("config.json"), spec.to_string()).expect("a configuration");
    bundle
}

fn quiet(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the runtime starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
