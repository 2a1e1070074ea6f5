//! A bundle with a small root file system, and a runtime to run it with. What a test leaves behind
//! fails it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A configuration as dockerd writes it.
const DOCKER_CONFIG: &str = include_str!("../fixtures/docker-config.json");
/// Programs of the root file system.
const APPLETS: [&str; 26] = [
    "cat", "chmod", "cp", "dd", "echo", "env", "false", "grep", "hostname", "id", "kill", "ls",
    "mkdir", "mknod", "mount", "printf", "readlink", "sh", "sleep", "stat", "stty", "test",
    "touch", "tr", "true", "tty",
];

/// Which runtime a test runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    Runc,
    RuncLite,
}

impl Runtime {
    fn path(self) -> PathBuf {
        match self {
            Self::Runc => {
                let peers = std::env::var_os("GANTRY_PEERS")
                    .expect("GANTRY_PEERS is not set: run the tests by `cargo xtask test`");
                Path::new(&peers).join("bin/runc")
            }
            Self::RuncLite => std::env::var_os("RUNC_LITE").map_or_else(
                || PathBuf::from(env!("CARGO_BIN_EXE_runc-lite")),
                PathBuf::from,
            ),
        }
    }
}

/// Makes two tests of one body, in a module of the body's name: `runc` and `runc_lite`.
macro_rules! on_both {
    ($(#[doc = $doc:literal])* fn $name:ident($bundle:ident: &mut Bundle) $body:block) => {
        mod $name {
            use super::*;

            $(#[doc = $doc])*
            fn body($bundle: &mut Bundle) $body

            #[test]
            fn runc() {
                Bundle::with(Runtime::Runc, body);
            }

            #[test]
            fn runc_lite() {
                Bundle::with(Runtime::RuncLite, body);
            }
        }
    };
}
pub(crate) use on_both;

/// What a call of the runtime gave.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The messages of the log's error lines.
    pub(crate) errors: Vec<String>,
    /// The messages of the log's warnings.
    pub(crate) warnings: Vec<String>,
}

impl Output {
    /// Panics unless the call succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Panics unless it failed with this code and exactly this one error line.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, error: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.errors, [error], "{self:?}");
        self
    }
}

/// A bundle and the place of its containers.
pub(crate) struct Bundle {
    pub(crate) runtime: Runtime,
    /// Looked for once, before there is anything to clean up.
    binary: PathBuf,
    directory: TempDir,
    pub(crate) config: Value,
    pub(crate) id: String,
    /// Control groups are made by systemd.
    systemd: bool,
}

impl Bundle {
    /// Runs a test on a fresh bundle and looks at what it left.
    pub(crate) fn with(runtime: Runtime, test: impl FnOnce(&mut Self)) {
        let mut bundle = Self::new(runtime);
        test(&mut bundle);
        let deleted = bundle.call(&["delete", "--force", &bundle.id.clone()]);
        bundle.check_leaks(&deleted);
    }

    fn new(runtime: Runtime) -> Self {
        let binary = runtime.path();
        let directory = tempfile::Builder::new().prefix("rlt-").tempdir().unwrap();
        let unique = directory
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "");
        let mut config: Value = serde_json::from_str(DOCKER_CONFIG).unwrap();
        config["linux"]["cgroupsPath"] = json!(format!("/runc-lite-it/{unique}"));
        config["root"]["path"] = json!("rootfs");
        let bundle = Self {
            runtime,
            binary,
            directory,
            config,
            id: unique,
            systemd: false,
        };
        bundle.make_rootfs();
        bundle
    }

    fn make_rootfs(&self) {
        let root = self.rootfs();
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"]
            .iter()
            .find(|path| Path::new(path).exists());
        let busybox = busybox.expect("busybox-static is not installed: run `cargo xtask test`");
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::write(
            root.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:\n",
        )
        .unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    /// The command that the container runs.
    pub(crate) fn args(&mut self, args: &[&str]) {
        self.config["process"]["args"] = json!(args);
    }

    /// A script that the container runs.
    pub(crate) fn script(&mut self, script: &str) {
        self.args(&["sh", "-c", script]);
    }

    pub(crate) fn mount(&mut self, mount: Value) {
        self.config["mounts"].as_array_mut().unwrap().push(mount);
    }

    /// Calls the runtime as containerd's shim does.
    pub(crate) fn call(&self, args: &[&str]) -> Output {
        let log = self.path().join("log.json");
        let _none_yet = fs::remove_file(&log);
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        let (errors, warnings) = read_log(&log);
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            errors,
            warnings,
        }
    }

    /// The runtime's command line, in the bundle.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.path())
            .arg("--root")
            .arg(self.path().join("state"));
        command
            .arg("--log")
            .arg(self.path().join("log.json"))
            .args(["--log-format", "json"]);
        if self.systemd {
            command.arg("--systemd-cgroup");
        }
        command.args(args);
        command
    }

    /// From now on systemd makes the control group; this is the unit's name.
    pub(crate) fn use_systemd(&mut self) -> String {
        self.systemd = true;
        self.config["linux"]["cgroupsPath"] = json!(format!("system.slice:rlt:{}", self.id));
        format!("rlt-{}.scope", self.id)
    }

    pub(crate) fn write_config(&self) {
        fs::write(self.path().join("config.json"), self.config.to_string()).unwrap();
    }

    /// `run`, waiting.
    pub(crate) fn run(&self) -> Output {
        self.write_config();
        self.call(&["run", &self.id])
    }

    /// What `run` of a script prints.
    #[track_caller]
    pub(crate) fn run_script(&mut self, script: &str) -> String {
        self.script(script);
        self.run().ok().stdout
    }

    /// `create`, detached from the test's pipes: the container keeps what it is given.
    pub(crate) fn create(&self) -> Output {
        self.write_config();
        let log = self.path().join("log.json");
        let _none_yet = fs::remove_file(&log);
        let out = fs::File::create(self.path().join("out")).unwrap();
        let status = self
            .command(&["create", "--pid-file", "pid", &self.id])
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .status()
            .unwrap();
        let (errors, warnings) = read_log(&log);
        let code = status.code().unwrap_or(-1);
        Output {
            code,
            stdout: self.output(),
            stderr: String::new(),
            errors,
            warnings,
        }
    }

    /// What the created container has written.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.path().join("out")).unwrap_or_default()
    }

    /// A container that sleeps.
    #[track_caller]
    pub(crate) fn start_sleeping(&mut self) {
        self.args(&["sleep", "1000"]);
        self.create().ok();
        self.call(&["start", &self.id]).ok();
    }

    /// A verb about this container.
    pub(crate) fn verb(&self, verb: &str) -> Output {
        self.call(&[verb, &self.id])
    }

    /// `exec` of a script.
    pub(crate) fn exec(&self, script: &str) -> Output {
        self.call(&["exec", &self.id, "sh", "-c", script])
    }

    /// The state's JSON.
    #[track_caller]
    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.verb("state").ok().stdout).unwrap()
    }

    /// Polls the state until it has this status.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, status: &str) {
        wait_until(&format!("status {status}"), || {
            self.state()["status"] == status
        });
    }

    /// The directory of a v1 controller, or of the v2 group.
    pub(crate) fn cgroup(&self, controller: &str) -> PathBuf {
        let inside = self.config["linux"]["cgroupsPath"]
            .as_str()
            .unwrap()
            .trim_start_matches('/');
        let parts: Vec<&str> = inside.split(':').collect();
        let scope = match parts[..] {
            [slice, prefix, name] => format!("{slice}/{prefix}-{name}.scope"),
            _ => inside.to_owned(),
        };
        let inside = scope.as_str();
        if is_v2() {
            return Path::new("/sys/fs/cgroup").join(inside);
        }
        Path::new("/sys/fs/cgroup").join(controller).join(inside)
    }

    /// A control file of the container, or of the one of its names that the version has.
    #[track_caller]
    pub(crate) fn control(&self, v1: (&str, &str), v2: &str) -> String {
        let path = if is_v2() {
            self.cgroup("").join(v2)
        } else {
            self.cgroup(v1.0).join(v1.1)
        };
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .trim()
            .to_owned()
    }

    fn check_leaks(&self, deleted: &Output) {
        let controllers = if is_v2() {
            vec![""]
        } else {
            vec!["memory", "pids", "devices", "freezer"]
        };
        for controller in controllers {
            let path = self.cgroup(controller);
            assert!(!path.exists(), "{} is left", path.display());
        }
        let state = self.path().join("state").join(&self.id);
        assert!(
            !state.exists(),
            "{} is left by {deleted:?}",
            state.display()
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours = self.path().to_string_lossy();
        let left: Vec<&str> = mounts
            .lines()
            .filter(|line| line.contains(ours.as_ref()))
            .collect();
        assert!(left.is_empty(), "mounts are left: {left:?}");
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        // Also after a failed assertion: no process may outlive the test.
        let _already_gone = self.command(&["delete", "--force", &self.id]).output();
    }
}

/// Whether the machine has cgroups of version 2 alone.
pub(crate) fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Polls for at most half a minute.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

fn read_log(path: &Path) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert!(line["time"].is_string(), "{line}");
    }
    let of = |level: &str| {
        let of_level = lines.iter().filter(|line| line["level"] == level);
        of_level
            .map(|line| line["msg"].as_str().unwrap().to_owned())
            .collect()
    };
    (of("error"), of("warning"))
}
