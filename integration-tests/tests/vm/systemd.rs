//! The engine as systemd's service, in two boots of one machine: `first_boot` installs it, works
//! with it and leaves containers running; the machine is powered off in good order; `second_boot`
//! finds what must have come back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration_tests::image::{BUSYBOX, busybox_tar};
use integration_tests::{Client, Kind, eventually, leaks, programs};

/// Where an installed program is found, on the machine's own disk.
const BIN: &str = "/usr/local/bin";
const OURS: [&str; 5] = [
    "gantry",
    "gantryd",
    "containerd-lite",
    "containerd-shim-lite-v2",
    "runc-lite",
];
const SOON: Duration = Duration::from_secs(15);

/// The engine under test as systemd knows it.
struct Service {
    kind: Kind,
    name: &'static str,
    socket: &'static str,
    exec_root: &'static str,
}

impl Service {
    fn under_test() -> Self {
        match Kind::under_test() {
            Kind::Gantry => Self {
                kind: Kind::Gantry,
                name: "gantryd",
                socket: "/run/gantry/gantry.sock",
                exec_root: "/run/gantry",
            },
            Kind::Stock => Self {
                kind: Kind::Stock,
                name: "docker",
                socket: "/run/docker.sock",
                exec_root: "/run/docker",
            },
        }
    }

    fn docker(&self) -> Client {
        let host = format!("unix://{}", self.socket);
        Client::new(programs::client(), host, "/root".into())
    }

    /// The name of the cgroup that holds the containers'.
    fn cgroup(&self) -> String {
        if self.kind == Kind::Stock {
            return "system.slice".to_owned();
        }
        let groups = fs::read_dir("/sys/fs/cgroup").expect("the hierarchy");
        let names = groups.map(|g| g.expect("a group").file_name());
        let own = names.map(|n| n.to_string_lossy().into_owned());
        let mut own = own.filter(|n| n.starts_with("gantry-"));
        own.next().expect("the engine's own group")
    }

    fn unit(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.name)
    }

    /// Puts programs and units in place, as a user does.
    fn install(&self) {
        match self.kind {
            Kind::Gantry => {
                for program in OURS {
                    let to = Path::new(BIN).join(program);
                    fs::copy(programs::ours(program), to).expect("a copy of the program");
                }
                run(Command::new(format!("{BIN}/gantry")).args(["engine", "install"]));
            }
            Kind::Stock => stock_units(),
        }
        systemctl(&["daemon-reload"]);
    }

    /// Everything that an administrator enables.
    fn units(&self) -> Vec<String> {
        let mut units = vec![self.unit("socket"), self.unit("service")];
        if self.kind == Kind::Gantry {
            units.push("gantry-shutdown.service".to_owned());
        }
        units
    }

    fn is_active(&self) -> bool {
        let unit = self.unit("service");
        let mut ask = Command::new("systemctl");
        let ask = ask.args(["is-active", "--quiet", &unit]).status();
        ask.expect("systemctl runs").success()
    }

    /// The next start is not one too many: this test starts it more often than people do.
    fn forget_starts(&self) {
        systemctl(&["reset-failed", &self.unit("service")]);
    }
}

/// The units of stock packages, with containers that survive a restart, as ours always do.
fn stock_units() {
    let units = Path::new("/etc/systemd/system");
    let dockerd = programs::stock("dockerd");
    let bin = dockerd.parent().expect("a folder").display();
    let service = |needs: &str, program: &str| {
        format!(
            "[Unit]\nRequires={needs}\nAfter={needs}\n[Service]\nType=notify\nKillMode=process\n\
             Delegate=yes\nEnvironment=PATH={bin}:/usr/sbin:/usr/bin:/sbin:/bin\n\
             Restart=always\nRestartSec=2\nTimeoutStartSec=600\nExecStart={bin}/{program}\n\
             [Install]\nWantedBy=multi-user.target\n"
        )
    };
    let dockerd = "dockerd -H fd:// --live-restore --containerd=/run/containerd/containerd.sock";
    let docker = service("docker.socket containerd.service", dockerd);
    let containerd = service("local-fs.target", "containerd");
    let socket = "[Socket]\nListenStream=/run/docker.sock\n[Install]\nWantedBy=sockets.target\n";
    for (name, text) in [
        ("docker.service", docker.as_str()),
        ("containerd.service", containerd.as_str()),
        ("docker.socket", socket),
    ] {
        fs::write(units.join(name), text).expect("a unit");
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

#[track_caller]
fn systemctl(args: &[&str]) -> String {
    run(Command::new("systemctl").args(args))
}

/// Runs, writes a file into the volume `kept` when its stop signal comes, and ends with 5.
const GRACEFUL: &str = "trap 'echo $0 >>/kept/stopped; exit 5' TERM; echo ready; \
    while :; do sleep 1 & wait $!; done";

fn start_containers(docker: &Client) {
    let run = |name: &str, policy: &str| {
        let restart = format!("--restart={policy}");
        let flags = ["run", "-d", "--name", name, &restart, "-v", "kept:/kept"];
        let program = [BUSYBOX, "sh", "-c", GRACEFUL, name];
        docker.run(&[&flags[..], &program].concat()).ok();
    };
    run("always", "always");
    run("unless-stopped", "unless-stopped");
    run("stopped-by-hand", "unless-stopped");
    run("no", "no");
    for name in ["always", "unless-stopped", "stopped-by-hand", "no"] {
        eventually("the trap is set", SOON, || {
            docker
                .run(&["logs", name])
                .out
                .contains("ready")
                .then_some(())
        });
    }
}

fn inspect(docker: &Client, format: &str, name: &str) -> String {
    docker.run(&["inspect", "-f", format, name]).ok()
}

fn pids(docker: &Client) -> Vec<String> {
    let names = ["always", "unless-stopped", "no"];
    let pid = |name: &&str| inspect(docker, "{{.State.Pid}}", name);
    names.iter().map(pid).collect()
}

fn alive(pid: &String) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[test]
fn first_boot() {
    let service = Service::under_test();
    let docker = service.docker();
    service.install();
    let unit = service.unit("service");
    let shown = systemctl(&["show", "-p", "KillMode", "-p", "Delegate", &unit]);
    let shown: BTreeSet<&str> = shown.lines().collect();
    assert_eq!(shown, ["Delegate=yes", "KillMode=process"].into());

    // The socket alone: the first client starts the engine.
    systemctl(&["start", &service.unit("socket")]);
    assert!(!service.is_active());
    docker.run(&["version"]).ok();
    assert!(service.is_active());
    for unit in service.units() {
        systemctl(&["enable", "--now", &unit]);
    }
    docker
        .run_with(&["import", "-", BUSYBOX], busybox_tar())
        .ok();
    start_containers(&docker);
    let before = pids(&docker);

    systemctl(&["restart", &unit]);
    assert_eq!(pids(&docker), before, "a restart leaves containers alone");
    service.forget_starts();
    systemctl(&["kill", "--signal=KILL", "--kill-whom=main", &unit]);
    eventually("systemd starts it again", SOON, || {
        docker
            .run(&["ps", "-q"])
            .out
            .lines()
            .count()
            .eq(&4)
            .then_some(())
    });
    assert_eq!(pids(&docker), before, "nor does a crash touch them");
    service.forget_starts();
    systemctl(&["stop", &unit]);
    assert!(before.iter().all(alive), "nor the service's end");
    assert!(!service.is_active());
    assert_eq!(pids(&docker), before, "the next client starts it again");
    assert!(service.is_active());
    docker.run(&["stop", "stopped-by-hand"]).ok();
    assert_eq!(
        inspect(&docker, "{{.State.ExitCode}}", "stopped-by-hand"),
        "5"
    );
}

#[test]
fn second_boot() {
    let service = Service::under_test();
    let docker = service.docker();
    let running = || {
        let names = docker.run(&["ps", "--format", "{{.Names}}"]);
        names
            .out
            .lines()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let wanted = ["always", "unless-stopped"].map(str::to_owned).into();
    eventually("containers come back", SOON, || {
        (running() == wanted).then_some(())
    });
    for name in ["no", "stopped-by-hand"] {
        assert_eq!(inspect(&docker, "{{.State.Status}}", name), "exited");
    }
    for name in ["no", "stopped-by-hand"] {
        assert_eq!(inspect(&docker, "{{.State.ExitCode}}", name), "5", "{name}");
    }
    let flags = ["run", "--rm", "-v", "kept:/kept", BUSYBOX];
    let stopped = docker.run(&[&flags[..], &["cat", "/kept/stopped"]].concat());
    let stopped = stopped.ok();
    let stopped: BTreeSet<&str> = stopped.lines().collect();
    let all = ["always", "no", "stopped-by-hand", "unless-stopped"];
    assert_eq!(stopped, all.into(), "all were asked to stop");

    let all = docker.run(&["ps", "-aq"]).ok();
    let all: Vec<&str> = all.lines().collect();
    docker.run(&[&["rm", "-f"], all.as_slice()].concat()).ok();
    let root = PathBuf::from(service.exec_root);
    let left = leaks::eventually_clean(&service.cgroup(), &root, &root);
    assert!(left.is_empty(), "{left}");
}
