//! buildah, in the network namespace and the folder of another engine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use integration_tests::image::{BUSYBOX, busybox_tar};
use integration_tests::{Engine, programs};

use super::door::run;

/// Settings and images of a buildah of its own.
pub(super) struct Buildah<'a> {
    engine: &'a Engine,
    dir: PathBuf,
}

/// It asks for more than a machine may give, which its runtime takes for a fault.
const LIMITS: [&str; 2] = ["--ulimit=nproc=4096:4096", "--ulimit=nofile=1024:1024"];

impl<'a> Buildah<'a> {
    /// Makes the base image.
    pub(super) fn new(engine: &'a Engine) -> Self {
        // On the same disk as the other's files.
        let dir = engine.data_root().join("buildah");
        fs::create_dir(&dir).expect("a folder");
        let here = dir.display();
        let peers = programs::stock("buildah");
        let peers = peers.parent().expect("a folder").display();
        let storage = format!(
            "[storage]\ndriver = \"overlay\"\ngraphroot = \"{here}/images\"\nrunroot = \"{here}/run\"\n"
        );
        let containers = format!(
            "[engine]\nhelper_binaries_dir = [\"{peers}\"]\ncgroup_manager = \"cgroupfs\"\nruntime = \"runc\"\n\
             [engine.runtimes]\nrunc = [\"{peers}/runc\"]\n\
             [network]\nnetwork_config_dir = \"{here}/networks\"\nfirewall_driver = \"none\"\n"
        );
        let files = [
            ("storage.conf", storage.as_str()),
            ("containers.conf", &containers),
            ("registries.conf", "[registries.search]\nregistries = []\n"),
            (
                "policy.json",
                "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}",
            ),
            ("Dockerfile", "FROM scratch\nADD busybox.tar /\n"),
        ];
        for (name, text) in files {
            fs::write(dir.join(name), text).expect("a file");
        }
        fs::write(dir.join("busybox.tar"), busybox_tar()).expect("a file");
        let buildah = Self { engine, dir };
        let base = format!("--tag=localhost/{BUSYBOX}");
        let here = buildah.dir.display().to_string();
        run(&mut buildah.build(&[&base, &here]));
        buildah
    }

    /// A command of it.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let program = programs::stock("buildah");
        let mut command = self.engine.on_host(&program.to_string_lossy());
        let file = |name: &str| self.dir.join(name);
        command.env("CONTAINERS_CONF", file("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", file("storage.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", file("registries.conf"));
        command.args(words);
        command
    }

    /// Its build with the cache of steps that the others have always. A network would only make it
    /// slower.
    pub(super) fn build(&self, words: &[&str]) -> Command {
        let policy = self.dir.join("policy.json");
        let policy = format!("--signature-policy={}", policy.display());
        let own = ["build", "--layers", "--network=none", &policy];
        self.command(&[&own[..], &LIMITS, words].concat())
    }
}
