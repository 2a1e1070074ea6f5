//! The same work by engines and tools other than dockerd.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use integration_tests::{Engine, programs};

use super::quietly;

/// podman with a store of its own.
pub(super) struct Podman<'a> {
    host: &'a Engine,
    dir: PathBuf,
}

impl<'a> Podman<'a> {
    /// In `host`'s network namespace, its store in `dir`.
    pub(super) fn new(host: &'a Engine, dir: PathBuf) -> Self {
        std::fs::create_dir(&dir).expect("a folder");
        let program = programs::stock("podman");
        let peers = program.parent().expect("a folder");
        let settings = format!(
            "[engine]\nhelper_binaries_dir=[{peers:?}]\nevents_logger=\"none\"\nlock_type=\"file\"\n\
             cgroup_manager=\"cgroupfs\"\nconmon_path=[{:?}]\nruntime=\"crun\"\ntmp_dir={:?}\n\
             [engine.runtimes]\ncrun=[{:?}]\n",
            programs::stock("conmon"),
            dir.join("tmp"),
            programs::stock("crun"),
        );
        std::fs::write(dir.join("containers.conf"), settings).expect("settings");
        let policy = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;
        let home = dir.join("home/.config/containers");
        std::fs::create_dir_all(&home).expect("a home");
        std::fs::write(home.join("policy.json"), policy).expect("a policy");
        Self { host, dir }
    }

    /// Runs `verb` with its words, and says whether it went well.
    pub(super) fn run(&self, verb: &str, words: &[&str]) -> bool {
        let program = programs::stock("podman");
        let mut command = self.host.on_host(&program.to_string_lossy());
        command
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .env("CONTAINERS_CONF", self.dir.join("containers.conf"))
            .env("HOME", self.dir.join("home"));
        command.arg("--root").arg(self.dir.join("root"));
        command.arg("--runroot").arg(self.dir.join("run"));
        command.args(["--storage-driver", "overlay", verb]);
        quietly(command.args(words).stderr(Stdio::null()))
    }

    /// Removes containers, images and what they lie on.
    pub(super) fn clear(&self) {
        self.run("system", &["reset", "--force"]);
    }
}

/// `ctr`, at the containerd of a stock engine.
pub(super) fn ctr(engine: &Engine, words: &[&str]) -> bool {
    let mut command = engine.on_host(&programs::stock("ctr").to_string_lossy());
    let socket = engine.exec_root().join("containerd/containerd.sock");
    command.arg("--address").arg(socket);
    quietly(command.args(["--namespace", "bench"]).args(words))
}

/// `skopeo copy`.
pub(super) fn copy(engine: &Engine, from: &str, to: &str) -> bool {
    let mut skopeo = stock(engine, "skopeo");
    skopeo.args(["--insecure-policy", "copy", "-q"]);
    skopeo.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
    quietly(skopeo.args([from, to]))
}

/// Fetches by skopeo and unpacks by umoci, to `layout` and `bundle`.
pub(super) fn umoci(engine: &Engine, from: &str, layout: &str, bundle: &str) -> bool {
    let copied = copy(engine, from, &format!("oci:{layout}:it"));
    let mut unpack = stock(engine, "umoci");
    unpack.args(["unpack", "--image", &format!("{layout}:it"), bundle]);
    copied && quietly(unpack.stderr(Stdio::null()))
}

fn stock(engine: &Engine, name: &str) -> Command {
    engine.on_host(&programs::stock(name).to_string_lossy())
}
