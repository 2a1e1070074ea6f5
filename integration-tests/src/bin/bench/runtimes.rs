//! runc-lite beside runc and crun, on the bundle that stock dockerd writes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, programs};

use crate::figure::{Contender, Figure, Target, interleaved};

const RUNS: usize = 30;

pub(crate) fn measure() -> Vec<Figure> {
    let dir = tempfile::tempdir().expect("a folder");
    let bundle = bundle(dir.path());
    let runtimes = [
        ("runc-lite", programs::ours("runc-lite")),
        ("crun", programs::stock("crun")),
        ("runc", programs::stock("runc")),
    ];
    let verb = |name: &str, args: &'static [&'static str], target| {
        let contenders = runtimes
            .iter()
            .map(|(runtime, program)| {
                let (state, bundle) = (dir.path().join(runtime), bundle.clone());
                Contender::timed(runtime, move || {
                    let mut command = command(runtime, program, &state);
                    command.args(args).arg("--bundle").arg(&bundle).arg("bench");
                    quiet(&mut command);
                })
            })
            .collect();
        interleaved(name, "ms", RUNS, contenders, target)
    };
    vec![verb(
        "runtime: run true",
        &["run"],
        Some(Target::Share {
            of: "crun",
            at_most: 0.4,
        }),
    )]
}

/// crun refuses a hybrid machine unless the file that tells it so is hidden from it.
fn command(name: &str, program: &Path, state: &Path) -> Command {
    let marker = "/sys/fs/cgroup/unified/cgroup.controllers";
    let mut command = if name == "crun" && Path::new(marker).exists() {
        let mut unshare = Command::new("unshare");
        let script = format!("mount --bind /dev/null {marker}; exec \"$0\" \"$@\"");
        unshare.args(["-m", "sh", "-c", &script]).arg(program);
        unshare
    } else {
        Command::new(program)
    };
    command.arg("--root").arg(state);
    command
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
