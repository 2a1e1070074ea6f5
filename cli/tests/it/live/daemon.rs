//! A stock dockerd: in a network namespace of its own, with an image made of busybox.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::run::peers;

/// The daemon; dropping it ends it and takes everything of it away.
#[derive(Debug)]
pub(crate) struct Daemon {
    dir: TempDir,
    peers: PathBuf,
    namespace: String,
    process: Option<Child>,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let peers = peers().expect(
            "GANTRY_PEERS must name the folder of the stock engines: run `cargo xtask test`",
        );
        let dir = tempfile::tempdir().unwrap();
        let namespace = format!("gantry-cli-{}", std::process::id());
        must(Command::new("ip").args(["netns", "add", &namespace]));
        must(Command::new("ip").args(["-n", &namespace, "link", "set", "lo", "up"]));
        let mut daemon = Self {
            dir,
            peers,
            namespace,
            process: None,
        };
        let root = daemon.dir.path();
        let log = fs::File::create(root.join("log")).unwrap();
        let bin = daemon.peers.join("bin");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", daemon.namespace))
            .arg(bin.join("dockerd"))
            .arg("--data-root")
            .arg(root.join("data"))
            .arg("--exec-root")
            .arg(root.join("exec"))
            .arg("--pidfile")
            .arg(root.join("pid"))
            .args(["-H", &daemon.host()])
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        daemon.process = Some(child);
        daemon.wait_until_it_answers();
        daemon.make_image();
        daemon
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.docker(&["version"]).output().unwrap().status.success() {
            let log = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "dockerd does not answer: {}",
                log()
            );
            std::thread::yield_now();
        }
    }

    fn make_image(&self) {
        let root = self.dir.path().join("rootfs");
        for folder in ["bin", "tmp", "etc"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
        for applet in [
            "sh", "cat", "true", "sleep", "yes", "find", "stat", "sort", "mkdir", "ln", "stty",
        ] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        let archive = self.dir.path().join("rootfs.tar");
        must(
            Command::new("tar")
                .arg("-C")
                .arg(&root)
                .arg("-cf")
                .arg(&archive)
                .arg("."),
        );
        must(&mut self.gantry(&["import", archive.to_str().unwrap(), "bb"]));
    }

    fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("d.sock").display())
    }

    fn client(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("PATH", "/usr/bin:/bin");
        command.args(["-H", &self.host()]).args(words);
        command
    }

    /// Our client.
    pub(crate) fn gantry(&self, words: &[&str]) -> Command {
        self.client(Path::new(env!("CARGO_BIN_EXE_gantry")), words)
    }

    /// The stock client.
    pub(crate) fn docker(&self, words: &[&str]) -> Command {
        self.client(&self.peers.join("bin/docker"), words)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let all = self.docker(&["ps", "-aq"]).output();
            let all = all.map(|all| String::from_utf8_lossy(&all.stdout).into_owned());
            for id in all.unwrap_or_default().lines() {
                let _ = self.docker(&["rm", "-f", id]).output();
            }
            let pid = i32::try_from(process.id())
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = process.wait();
        }
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.namespace])
            .output();
    }
}

fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
