//! Stock podman on what is pushed, saved and exported: the same image, digest for digest.

use std::path::Path;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, programs};
use sha2::{Digest, Sha256};

use crate::registries::{REGISTRY, Registry};

/// podman with a store of the test's own, in the engine's network namespace.
struct Podman<'a>(&'a Engine);

impl<'a> Podman<'a> {
    fn new(engine: &'a Engine) -> Self {
        let at = |name: &str| engine.dir().join("podman").join(name);
        let home = at("home/.config/containers");
        std::fs::create_dir_all(&home).expect("a home");
        let policy = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;
        std::fs::write(home.join("policy.json"), policy).expect("a policy");
        let peers = programs::stock("podman");
        let peers = peers.parent().expect("it lies in a folder");
        let settings = format!(
            "[engine]\nhelper_binaries_dir=[{peers:?}]\ncgroup_manager=\"cgroupfs\"\n\
             events_logger=\"none\"\nlock_type=\"file\"\nconmon_path=[{:?}]\nruntime=\"crun\"\ntmp_dir={:?}\n\
             [engine.runtimes]\ncrun=[{:?}]\n",
            programs::stock("conmon"),
            at("tmp"),
            programs::stock("crun"),
        );
        std::fs::write(at("containers.conf"), settings).expect("settings");
        Self(engine)
    }

    /// What it prints.
    fn run(&self, words: &[&str]) -> String {
        let at = |name: &str| self.0.dir().join("podman").join(name);
        let program = programs::stock("podman");
        let mut command = self.0.on_host(&program.to_string_lossy());
        command
            .env("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
            .env("CONTAINERS_CONF", at("containers.conf"))
            .env("HOME", at("home"));
        command.arg("--root").arg(at("root"));
        command.arg("--runroot").arg(at("run"));
        command.args(["--storage-driver", "vfs"]);
        let out = command.args(words).output().expect("podman runs");
        assert!(out.status.success(), "{words:?}: {out:?}");
        String::from_utf8(out.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }
}

fn digest_of(file: &Path) -> String {
    let bytes = std::fs::read(file).expect("a file");
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn podman_reads_what_is_pushed_saved_and_exported() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let registry = Registry::start(&engine);
    let (docker, podman) = (engine.docker(), Podman::new(&engine));
    let script =
        "echo new >/new; mkdir -m 700 /d; ln /new /d/again; mkfifo /d/pipe; rm /etc/passwd";
    let run = [
        "run",
        "--network",
        "none",
        "--name",
        "cc",
        BUSYBOX,
        "sh",
        "-c",
        script,
    ];
    docker.run(&run).ok();
    let name = format!("{REGISTRY}/team/made:1");
    docker.run(&["commit", "cc", &name]).ok();
    let pushed = docker.run(&["push", &name]).ok();
    let (_, digest) = pushed.split_once("digest: ").expect("a digest");
    let digest = digest.split(' ').next().expect("a word");
    let id = docker.run(&["inspect", "-f", "{{.Id}}", &name]).ok();
    let id = id.trim_start_matches("sha256:");
    assert_eq!(podman.run(&["pull", "-q", "--tls-verify=false", &name]), id);
    let digests = podman.run(&["inspect", "-f", "{{.RepoDigests}}", &name]);
    assert!(digests.contains(digest), "{digest} is not among {digests}");
    podman.run(&["rmi", &name]);
    for compression in ["uncompressed", "zstd"] {
        let file = engine.dir().join(compression).display().to_string();
        let save = ["save", "--compression", compression, "-o", &file, &name];
        engine.gantry().run(&save).ok();
        podman.run(&["load", "-q", "-i", &file]);
        assert_eq!(podman.run(&["inspect", "-f", "{{.Id}}", &name]), id);
        podman.run(&["rmi", &name]);
    }
    let file = engine.dir().join("exported.tar");
    let path = file.display().to_string();
    docker.run(&["export", "-o", &path, "cc"]).ok();
    podman.run(&["import", "-q", &path, "exported:1"]);
    let layers = podman.run(&["inspect", "-f", "{{.RootFS.Layers}}", "exported:1"]);
    assert_eq!(layers, format!("[sha256:{}]", digest_of(&file)));
    docker.run(&["rm", "cc"]).ok();
    drop(registry);
    engine.finish();
}
