//! An engine of a test's own: in its own network namespace, on its own folders, under its own
//! cgroup, so that many run side by side.

mod groups;
mod kind;
mod measured;
mod on_disk;
mod supervisor;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

pub use kind::Kind;

use crate::{client::Client, eventually, http, image, leaks, process, programs, runtime};

/// A running engine; it is stopped, with all its containers, when it is dropped.
#[derive(Debug)]
pub struct Engine {
    kind: Kind,
    /// A short word no other engine on this machine has.
    name: String,
    dir: tempfile::TempDir,
    flags: Vec<String>,
    daemon: Option<Child>,
    /// Stock's containerd, where it is not the daemon's to start.
    supervisor: Option<Child>,
    before: leaks::Snapshot,
}

impl Engine {
    /// Starts the engine under test and imports the base image.
    ///
    /// # Panics
    /// With the daemon's log when it does not answer.
    #[must_use]
    pub fn start() -> Self {
        Self::with_flags(&[])
    }

    /// Starts it with further flags of the daemon.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn with_flags(flags: &[&str]) -> Self {
        Self::of(Kind::under_test(), flags)
    }

    /// Starts an engine of that kind, whatever is under test.
    ///
    /// # Panics
    /// As `start`.
    #[must_use]
    pub fn of(kind: Kind, flags: &[&str]) -> Self {
        Self::prepare(kind, flags).with_image()
    }

    fn with_image(mut self) -> Self {
        self.start_daemon();
        let import = self
            .docker()
            .run_with(&["import", "-", image::BUSYBOX], image::busybox_tar());
        assert!(import.code == 0, "{import:?}\n{}", self.log());
        self
    }

    fn prepare(kind: Kind, flags: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "it{}n{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let before = leaks::Snapshot::take();
        let dir = tempfile::Builder::new()
            .prefix(&format!("gantry-{name}-"))
            .tempdir()
            .expect("a temporary folder");
        let plugins = dir.path().join("home/.docker/cli-plugins");
        std::fs::create_dir_all(plugins.parent().expect("has a parent")).expect("a home");
        std::os::unix::fs::symlink(programs::plugins(), plugins).expect("the plug-ins");
        run(Command::new("ip").args(["netns", "add", &name]));
        run(Command::new("ip").args(["-n", &name, "link", "set", "lo", "up"]));
        let flags = flags.iter().map(ToString::to_string).collect();
        Self {
            kind,
            name,
            dir,
            flags,
            daemon: None,
            supervisor: None,
            before,
        }
    }

    /// Which engine it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A folder of the test's own.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The daemon's process id.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon was started").id()
    }

    /// Where the engine keeps what must last.
    #[must_use]
    pub fn data_root(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Where the engine keeps what a reboot may take.
    #[must_use]
    pub fn exec_root(&self) -> PathBuf {
        self.dir().join("run")
    }

    /// The API's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir().join("api.sock")
    }

    /// The command line that tests drive the engine with.
    #[must_use]
    pub fn docker(&self) -> Client {
        self.client(programs::client())
    }

    /// The stock command line, whatever else drives the tests: for what only its plug-ins do.
    #[must_use]
    pub fn stock_docker(&self) -> Client {
        self.client(programs::stock("docker"))
    }

    /// Our command line.
    #[must_use]
    pub fn gantry(&self) -> Client {
        self.client(programs::ours("gantry"))
    }

    fn client(&self, program: PathBuf) -> Client {
        let host = format!("unix://{}", self.socket().display());
        Client::new(program, host, self.dir().join("home"))
    }

    /// The network namespace that the engine lives in, as `ip netns` knows it.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.name
    }

    /// A command inside the engine's network namespace: "the host" as its containers see it.
    #[must_use]
    pub fn on_host(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name));
        command.arg(program);
        command
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Panics
    /// With its log when it does not.
    pub fn start_daemon(&mut self) {
        self.start_daemon_with(&[]);
    }

    /// Starts the daemon with further variables of the environment.
    ///
    /// # Panics
    /// As `start_daemon`.
    pub fn start_daemon_with(&mut self, variables: &[(&str, &str)]) {
        self.start_supervisor();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir().join("log"));
        let log = log.expect("a log file");
        let mut command = self.daemon_command();
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null());
        command
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        self.daemon = Some(command.spawn().expect("the daemon starts"));
        let socket = self.socket();
        let log = self.dir().join("log");
        let daemon = self.daemon.as_mut().expect("just started");
        eventually("the engine answers", Duration::from_secs(30), || {
            if let Some(status) = daemon.try_wait().expect("the daemon can be asked for") {
                panic!("the daemon ended: {status}\n{}", read(&log));
            }
            http::answers(&socket).then_some(())
        });
    }

    fn daemon_command(&self) -> Command {
        std::fs::write(self.dir().join("daemon.json"), "{}").expect("a configuration");
        let (program, own): (PathBuf, &[&str]) = match self.kind {
            Kind::Gantry => (programs::ours("gantryd"), &[]),
            Kind::Stock => (programs::stock("dockerd"), &["--live-restore"]),
        };
        let mut command = self.on_host(&program.to_string_lossy());
        command.args(own);
        command.arg(format!("--host=unix://{}", self.socket().display()));
        command.arg(format!("--data-root={}", self.data_root().display()));
        command.arg(format!("--exec-root={}", self.exec_root().display()));
        command.arg(format!("--pidfile={}", self.dir().join("pid").display()));
        command.arg(format!(
            "--config-file={}",
            self.dir().join("daemon.json").display()
        ));
        command.arg(format!("--cgroup-parent={}", self.cgroup_parent()));
        command.args(&self.flags);
        command.args(runtime::flags(self.dir()));
        command.args(self.supervisor_flags());
        if self.kind == Kind::Stock {
            command.env("PATH", stock_path());
        }
        command
    }

    /// What the daemon has written to its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.dir().join("log"))
    }

    /// The last lines of it.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends the daemon as its service manager does; containers run on.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop_daemon(&mut self) {
        self.signal_daemon(Signal::TERM);
    }

    /// Ends the daemon without a chance to clean up.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill_daemon(&mut self) {
        self.signal_daemon(Signal::KILL);
    }

    /// Waits until the daemon has ended by itself, and says by which signal.
    ///
    /// # Panics
    /// When it runs on.
    pub fn daemon_ended(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let mut daemon = self.daemon.take().expect("the daemon was started");
        let ended = || daemon.try_wait().expect("the daemon can be waited for");
        let status = eventually("the daemon ends", Duration::from_secs(30), ended);
        status.signal()
    }

    fn signal_daemon(&mut self, signal: Signal) {
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        // nsenter replaces itself by the daemon: the child is the daemon.
        // One that has ended already needs no signal.
        process::signal(daemon.id(), signal);
        let ended = || daemon.try_wait().expect("the daemon can be waited for");
        eventually("the daemon ends", Duration::from_secs(30), ended);
    }

    /// Kills the supervisor, and gives how many processes that were.
    ///
    /// # Panics
    /// When one cannot be killed.
    pub fn kill_supervisor(&self) -> usize {
        let name = match self.kind {
            Kind::Gantry => "containerd-lite",
            Kind::Stock => "containerd",
        };
        let victims = leaks::processes_of(self.dir(), name);
        process::kill(&victims);
        victims.len()
    }

    /// Removes all containers, and fails if anything of them is left.
    ///
    /// # Panics
    /// With what is left.
    pub fn clean(&self) {
        self.remove_containers();
        let shown = leaks::eventually_clean(&self.name, self.dir(), &self.exec_root());
        assert!(
            shown.is_empty(),
            "left behind by containers that are gone:\n{shown}"
        );
    }

    /// What is left at this moment of containers that were removed.
    #[must_use]
    pub fn left_of_containers(&self) -> String {
        leaks::of_containers(&self.name, self.dir(), &self.exec_root())
    }

    /// Removes all containers, stops the engine, and fails if anything is left.
    ///
    /// # Panics
    /// With what is left.
    pub fn finish(mut self) {
        self.clean();
        runtime::assert_used(self.dir());
        self.tear_down();
        let left = self.before.left_since(&self.name, self.dir());
        assert!(left.is_empty(), "left behind by the engine:\n{left}");
    }

    fn remove_containers(&self) {
        let ids = self.docker().run(&["ps", "-aq"]);
        let ids: Vec<&str> = ids.out.lines().collect();
        if !ids.is_empty() {
            self.docker()
                .run(&[&["rm", "-f", "-v"], ids.as_slice()].concat());
        }
    }

    fn tear_down(&mut self) {
        if self.daemon.is_some() {
            self.stop_daemon();
        }
        self.stop_supervisor();
        leaks::end_processes(self.dir());
        leaks::unmount_below(self.dir());
        leaks::remove_cgroups(&self.name);
        run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.daemon.is_none() && !Path::new("/run/netns").join(&self.name).exists() {
            return;
        }
        if std::thread::panicking() {
            // Kept for whoever reads why the test failed.
            #[expect(clippy::print_stderr, reason = "the log of a failed test")]
            {
                eprintln!("the daemon's log ended with:\n{}", self.log_tail());
            }
        }
        if self.daemon.is_some() {
            self.remove_containers();
        }
        self.tear_down();
    }
}

/// Where stock daemons find each other.
fn stock_path() -> String {
    let stock = programs::stock("dockerd");
    let bin = stock.parent().expect("has a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{bin}:{path}")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
