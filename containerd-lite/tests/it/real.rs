//! Containers for the shim and the runtime that users get: a root made of the machine's own programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantry_proto::containerd::runc::v1::Options;
use gantry_proto::containerd::types::Mount;
use gantry_proto::convert::any;
use prost_types::Any;
use serde::Deserialize;
use serde_json::json;

use crate::engine::{Engine, NAMESPACE, eventually};

/// The control group under which all of these containers are.
const GROUP: &str = "gantry-supervisor-test";
const SHIM: &str = "containerd-shim-lite-v2";

/// What a container is made of.
pub(crate) struct Real {
    pub(crate) shim: PathBuf,
    pub(crate) rootfs: Mount,
    pub(crate) options: Any,
    runtime_root: PathBuf,
    /// What the names of these containers' control groups begin with.
    mark: String,
}

/// What a container is to do, as the fake shim's plays say it.
#[derive(Deserialize)]
struct Play {
    #[serde(default)]
    exit: u32,
    after_ms: Option<u64>,
}

impl Real {
    /// The programs that `cargo xtask test` has built.
    pub(crate) fn find(folder: &Path) -> Self {
        let programs = std::env::var_os("GANTRY_PROGRAMS").expect(
            "GANTRY_PROGRAMS names the folder of the built programs: run `cargo xtask test`",
        );
        let programs = PathBuf::from(programs);
        let runtime_root = folder.join("rt");
        let root = folder.join("rootfs");
        std::fs::create_dir(&root).expect("a root");
        let options = Options {
            binary_name: programs.join("runc-lite").display().to_string(),
            root: runtime_root.display().to_string(),
            ..Options::default()
        };
        Self {
            shim: programs.join(SHIM),
            rootfs: Mount {
                r#type: "bind".to_owned(),
                source: root.display().to_string(),
                options: vec!["rbind".to_owned(), "rw".to_owned()],
                ..Mount::default()
            },
            options: any::pack(&options),
            runtime_root,
            mark: folder
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        }
    }

    /// `config.json` of a container that plays `play`.
    pub(crate) fn spec(&self, id: &str, play: &str) -> String {
        let play: Play = serde_json::from_str(play).expect("a play");
        let command = match play.after_ms {
            Some(ms) => format!("sleep {}.{:03}; exit {}", ms / 1000, ms % 1000, play.exit),
            None => "exec sleep 100000".to_owned(),
        };
        let folders = ["/bin", "/sbin", "/lib", "/lib64", "/usr"];
        let mut mounts = vec![json!({"destination": "/proc", "type": "proc", "source": "proc"})];
        for folder in folders
            .into_iter()
            .filter(|folder| Path::new(folder).exists())
        {
            mounts.push(json!({
                "destination": folder, "type": "bind", "source": folder,
                "options": ["rbind", "ro"],
            }));
        }
        let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({"type": kind}));
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/bin/sh", "-c", command],
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "cwd": "/",
            },
            "root": {"path": "rootfs"},
            "mounts": mounts,
            "linux": {
                "cgroupsPath": format!("/{GROUP}/{}-{id}", self.mark),
                "namespaces": namespaces,
            },
        })
        .to_string()
    }

    /// Takes away what a failed test left of a bundle.
    pub(crate) fn remove(&self, engine: &Engine, bundle: &Path) {
        for pid in self.shims(engine) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let mut command = Command::new(&self.shim);
        command.args(["-namespace", NAMESPACE, "-address"]);
        command.arg(engine.address()).arg("-id");
        command.arg(bundle.file_name().expect("a container's id"));
        command.arg("-bundle").arg(bundle).arg("delete");
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    }

    /// Waits until no shim, mount, control group or runtime's record is left.
    pub(crate) async fn clean(&self, engine: &Engine) {
        let shimless = async || self.shims(engine).is_empty();
        eventually("shims are gone", shimless).await;
        let folder = engine.path().display().to_string();
        eventually("mounts are gone", async || {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
            !mounts.contains(&folder)
        })
        .await;
        let namespace = self.runtime_root.join(NAMESPACE);
        eventually("the runtime knows no container", async || {
            is_empty(&namespace)
        })
        .await;
        eventually("control groups are gone", async || self.groups().is_empty()).await;
    }

    /// These containers' control groups.
    fn groups(&self) -> Vec<String> {
        let controllers = ["memory", "pids", "freezer", "unified", ""];
        let folder = |controller| Path::new("/sys/fs/cgroup").join(controller).join(GROUP);
        let entries = controllers.into_iter().map(folder).map(std::fs::read_dir);
        let names = entries.flatten().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(&self.mark)).collect()
    }

    /// The shims of this supervisor.
    pub(crate) fn shims(&self, engine: &Engine) -> Vec<rustix::process::Pid> {
        let address = engine.address().display().to_string();
        let processes = std::fs::read_dir("/proc").expect("processes").flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            let program = line.split('\0').next().unwrap_or_default();
            program.ends_with(SHIM) && line.contains(&address)
        })
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut all| all.next().is_none())
}
