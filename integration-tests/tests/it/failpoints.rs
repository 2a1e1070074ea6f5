//! gantryd killed at each boundary between what it writes and what it tells: afterwards every
//! container, image, volume and network is whole or gone, exits are known, and nothing is left.
//!
//! The instants are named in the engine (`GANTRY_FAILPOINT=NAME=kill`); a name that no case here
//! walks fails the test.

use std::path::Path;
use std::thread;
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, Kind, eventually};

/// Where the engine names them.
const NAMES: [&str; 4] = [
    include_str!("../../../daemon/src/container/failpoints.rs"),
    include_str!("../../../daemon/src/volume/failpoints.rs"),
    include_str!("../../../daemon/crates/image/src/failpoints.rs"),
    include_str!("../../../daemon/crates/network/src/store/failpoints.rs"),
];
/// What they begin with.
const PARTS: [&str; 4] = ["container.", "volume.", "image.", "network."];

/// One way to die.
struct Case {
    failpoint: &'static str,
    /// Before the engine is armed; arguments of the command line, in words.
    before: &'static [&'static str],
    /// What the death cuts short.
    cut: &'static str,
    /// What must be true afterwards.
    check: fn(&Client),
}

const RUN_ON: &[&str] = &["run -d --name vv IMAGE sleep 1000"];
const ENDS: &[&str] = &["create --name vv IMAGE sh -c exit\\ 5"];
/// Ends with 7 once it is told to, in this and each further run.
const ENDS_WHEN_TOLD: &[&str] =
    &["run -d --name vv IMAGE sh -c until\\ [\\ -e\\ /go\\ ];do\\ usleep\\ 9999;done;exit\\ 7"];
const TELL: &str = "exec vv touch /go";
/// An archive of an image whose last layer is its own, which the engine does not have.
const ARCHIVED: &[&str] = &[
    "run --name vv IMAGE sh -c echo\\ kept\\ >/new",
    "commit vv made",
    "rm vv",
    "save -o ARCHIVE made",
    "rmi made",
];

const CASES: &[Case] = &[
    Case {
        failpoint: "container.create.reserved",
        before: &[],
        cut: "create --name vv IMAGE true",
        check: is_gone,
    },
    Case {
        failpoint: "container.create.rootfs",
        before: &[],
        cut: "create --name vv -v /anonymous IMAGE true",
        check: is_gone,
    },
    Case {
        failpoint: "container.create.persisted",
        before: &[],
        cut: "create --name vv IMAGE sh -c exit\\ 5",
        check: can_be_started,
    },
    Case {
        failpoint: "container.start.sandbox",
        before: ENDS,
        cut: "start vv",
        check: can_be_started,
    },
    Case {
        failpoint: "container.start.created",
        before: ENDS,
        cut: "start vv",
        check: can_be_started,
    },
    Case {
        failpoint: "container.start.created",
        before: &["create --rm --name vv IMAGE true"],
        cut: "start vv",
        check: goes,
    },
    Case {
        failpoint: "container.start.started",
        before: ENDS,
        cut: "start vv",
        check: has_ended_with_5,
    },
    Case {
        failpoint: "container.start.started",
        before: &["create --name vv IMAGE sleep 1000"],
        cut: "start vv",
        check: runs,
    },
    Case {
        failpoint: "container.start.persisted",
        before: ENDS,
        cut: "start vv",
        check: has_ended_with_5,
    },
    Case {
        failpoint: "container.start.announced",
        before: &["create --name vv IMAGE sleep 1000"],
        cut: "start vv",
        check: runs,
    },
    Case {
        failpoint: "container.exit.seen",
        before: ENDS_WHEN_TOLD,
        cut: TELL,
        check: has_ended_with_7,
    },
    Case {
        failpoint: "container.exit.persisted",
        before: ENDS_WHEN_TOLD,
        cut: TELL,
        check: has_ended_with_7,
    },
    Case {
        failpoint: "container.exit.persisted",
        before: &[
            "run -d --rm --name vv IMAGE sh -c until\\ [\\ -e\\ /go\\ ];do\\ usleep\\ 9999;done",
        ],
        cut: TELL,
        check: goes,
    },
    Case {
        failpoint: "container.exit.persisted",
        before: &[
            "run -d --restart on-failure:1 --name vv IMAGE sh -c until\\ [\\ -e\\ /go\\ ];do\\ usleep\\ 9999;done;exit\\ 7",
        ],
        cut: TELL,
        check: was_restarted,
    },
    Case {
        failpoint: "container.stop.persisted",
        before: &["run -d --restart always --name vv IMAGE sleep 1000"],
        cut: "stop -t 0 vv",
        check: runs,
    },
    Case {
        failpoint: "container.pause.frozen",
        before: RUN_ON,
        cut: "pause vv",
        check: is_paused,
    },
    Case {
        failpoint: "container.unpause.thawed",
        before: &["run -d --name vv IMAGE sleep 1000", "pause vv"],
        cut: "unpause vv",
        check: runs,
    },
    Case {
        failpoint: "container.rename.persisted",
        before: &["run -d --name old IMAGE sleep 1000"],
        cut: "rename old vv",
        check: runs,
    },
    Case {
        failpoint: "container.update.applied",
        before: &["run -d -m 32m --name vv IMAGE sleep 1000"],
        cut: "update -m 64m --memory-swap 128m vv",
        check: can_be_updated,
    },
    Case {
        failpoint: "container.exec.started",
        before: RUN_ON,
        cut: "exec -d vv sleep 1000",
        check: runs,
    },
    Case {
        failpoint: "container.remove.persisted",
        before: ENDS,
        cut: "rm vv",
        check: is_gone,
    },
    Case {
        failpoint: "container.remove.persisted",
        before: RUN_ON,
        cut: "rm -f vv",
        check: is_gone,
    },
    Case {
        failpoint: "container.teardown.half",
        before: &["create --name vv -v /anonymous IMAGE true"],
        cut: "rm -v vv",
        check: is_gone,
    },
    Case {
        failpoint: "image.layers.placed",
        before: ARCHIVED,
        cut: "load -i ARCHIVE",
        check: is_loaded_again,
    },
    Case {
        failpoint: "image.recorded",
        before: ARCHIVED,
        cut: "load -i ARCHIVE",
        check: is_loaded,
    },
    Case {
        failpoint: "image.recorded",
        before: &[
            "run --name vv IMAGE sh -c echo\\ kept\\ >/new",
            "commit vv made",
            "rm vv",
            "save -o ARCHIVE made",
        ],
        cut: "rmi made",
        check: is_loaded_again,
    },
    Case {
        failpoint: "volume.recorded",
        before: &[],
        cut: "volume create vv",
        check: volume_is_there,
    },
    Case {
        failpoint: "volume.emptied",
        before: &["volume create vv"],
        cut: "volume rm vv",
        check: volume_can_be_removed,
    },
    Case {
        failpoint: "network.recorded",
        before: &[],
        cut: "network create vv",
        check: network_is_there,
    },
    Case {
        failpoint: "network.deleted",
        before: &["network create vv"],
        cut: "network rm vv",
        check: network_is_gone,
    },
];

/// A command in words; `\ ` is a space within one.
fn words(command: &str, archive: &Path) -> Vec<String> {
    let spaced = command.replace("\\ ", "\0");
    let word = |word: &str| match word {
        "ARCHIVE" => archive.display().to_string(),
        _ => word.replace('\0', " ").replace("IMAGE", BUSYBOX),
    };
    spaced.split(' ').map(word).collect()
}

fn call(docker: &Client, command: &str) -> integration_tests::Answer {
    let words = words(command, &docker.home().join("archive.tar"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    docker.run(&words)
}

fn inspect(docker: &Client, field: &str) -> String {
    docker.run(&["inspect", "-f", field, "vv"]).ok()
}

fn state(docker: &Client) -> String {
    inspect(docker, "{{.State.Status}} {{.State.ExitCode}}")
}

/// Neither the container nor its name, nor a volume.
fn is_gone(docker: &Client) {
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
    docker
        .run(&["create", "--name", "vv", BUSYBOX, "true"])
        .ok();
    eventually("no volume is left", Duration::from_secs(5), || {
        let volumes = docker.run(&["volume", "ls", "-q"]).ok();
        volumes.is_empty().then_some(())
    });
}

fn goes(docker: &Client) {
    eventually("it removes itself", Duration::from_secs(10), || {
        let left = docker.run(&["ps", "-aq"]).ok();
        left.is_empty().then_some(())
    });
}

fn can_be_started(docker: &Client) {
    assert_eq!(state(docker), "created 0");
    docker.run(&["start", "vv"]).ok();
    assert_eq!(docker.run(&["wait", "vv"]).ok(), "5");
}

fn has_ended_with(docker: &Client, code: &str) {
    assert_eq!(docker.run(&["wait", "vv"]).ok(), code);
    assert_eq!(state(docker), format!("exited {code}"));
    let times = inspect(docker, "{{.State.StartedAt}} {{.State.FinishedAt}}");
    let (started, finished) = times.split_once(' ').expect("two times");
    assert!(started <= finished && started > "2000", "{times}");
}

fn has_ended_with_5(docker: &Client) {
    has_ended_with(docker, "5");
}

fn has_ended_with_7(docker: &Client) {
    has_ended_with(docker, "7");
}

fn was_restarted(docker: &Client) {
    eventually("it was restarted once", Duration::from_secs(15), || {
        let found = inspect(
            docker,
            "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}",
        );
        (found == "1 exited 7").then_some(())
    });
}

/// It is there as it was asked for, takes commands, and stops when it is told to.
fn runs(docker: &Client) {
    assert_eq!(state(docker), "running 0");
    assert_eq!(docker.run(&["exec", "vv", "echo", "here"]).ok(), "here");
    docker.run(&["stop", "-t", "0", "vv"]).ok();
    assert_eq!(state(docker), "exited 137");
}

fn is_paused(docker: &Client) {
    assert_eq!(state(docker), "paused 0");
    docker.run(&["unpause", "vv"]).ok();
    runs(docker);
}

fn can_be_updated(docker: &Client) {
    docker
        .run(&["update", "-m", "64m", "--memory-swap", "128m", "vv"])
        .ok();
    assert_eq!(inspect(docker, "{{.HostConfig.Memory}}"), "67108864");
    runs(docker);
}

/// The image is not there, and comes whole.
fn is_loaded_again(docker: &Client) {
    let known = docker.run(&["images", "-q", "made"]).ok();
    assert_eq!(known, "");
    let loaded = call(docker, "load -i ARCHIVE").ok();
    assert_eq!(loaded, "Loaded image: made:latest");
    is_loaded(docker);
}

fn is_loaded(docker: &Client) {
    let kept = docker.run(&["run", "--rm", "made", "cat", "/new"]).ok();
    assert_eq!(kept, "kept");
    docker.run(&["rmi", "made"]).ok();
}

fn volume_is_there(docker: &Client) {
    let volume = ["run", "--rm", "-v", "vv:/v", BUSYBOX];
    let touch = [&volume[..], &["touch", "/v/file"]].concat();
    docker.run(&touch).ok();
    volume_can_be_removed(docker);
}

/// Whether it is there or not: it is usable, and goes.
fn volume_can_be_removed(docker: &Client) {
    let list = ["run", "--rm", "-v", "vv:/v", BUSYBOX, "true"];
    docker.run(&list).ok();
    docker.run(&["volume", "rm", "vv"]).ok();
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "");
}

fn network_is_there(docker: &Client) {
    docker
        .run(&["run", "--rm", "--network", "vv", BUSYBOX, "true"])
        .ok();
    docker.run(&["network", "rm", "vv"]).ok();
}

fn network_is_gone(docker: &Client) {
    let inspect = docker.run(&["network", "inspect", "vv"]);
    assert!(inspect.err.contains("network vv not found"), "{inspect:?}");
    docker.run(&["network", "create", "vv"]).ok();
    docker.run(&["network", "rm", "vv"]).ok();
}

fn walk(engine: &mut Engine, case: &Case) {
    let docker = engine.docker();
    for command in case.before {
        let answer = call(&docker, command);
        assert_eq!(answer.code, 0, "{}: {command}: {answer:?}", case.failpoint);
    }
    engine.stop_daemon();
    let armed = format!("{}=kill", case.failpoint);
    engine.start_daemon_with(&[("GANTRY_FAILPOINT", &armed)]);
    thread::scope(|scope| {
        // Its answer is lost with the engine, or came before it; a connection that it makes after the
        // death waits in the socket that outlives the engine, for the next one.
        scope.spawn(|| call(&docker, case.cut));
        assert_eq!(engine.daemon_ended(), Some(9), "{}", case.failpoint);
        engine.start_daemon();
    });
    println!("{}: {}", case.failpoint, case.cut);
    (case.check)(&docker);
    engine.clean();
}

#[test]
fn every_boundary_can_be_the_last_instant() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // The instants are gantryd's.
        return engine.finish();
    }
    let names = NAMES
        .iter()
        .flat_map(|file| file.split('"'))
        .filter(|text| PARTS.iter().any(|part| text.starts_with(part)) && !text.contains(' '));
    for name in names {
        let walked = CASES.iter().any(|case| case.failpoint == name);
        assert!(walked, "no case walks {name}");
    }
    for case in CASES {
        walk(&mut engine, case);
    }
    engine.finish();
}
