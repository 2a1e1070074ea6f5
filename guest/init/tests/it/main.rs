//! The init as process 1 of a pid namespace, and as an ordinary process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const INIT: &str = env!("CARGO_BIN_EXE_gantry-init");

fn run(arguments: &[&str]) -> Output {
    Command::new(INIT)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn codes_are_the_programs_or_a_shells() {
    for (arguments, code) in [
        (&["--", "/bin/sh", "-c", "exit 7"] as &[&str], 7),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["--", "true"], 0),
        (&["--", "no-such-program"], 127),
        (&["--", "/etc/hostname-that-is-not-there"], 127),
        (&["--", "/etc"], 126),
        (&["--option"], 1),
        (&[], 1),
    ] {
        assert_eq!(run(arguments).status.code(), Some(code), "{arguments:?}");
    }
    let version = run(&["--version"]);
    assert!(
        String::from_utf8(version.stdout)
            .unwrap()
            .starts_with("gantry-init version ")
    );
}

#[test]
fn every_signal_reaches_the_program() {
    let script = "trap 'echo usr1; exit 3' USR1; echo ready; while :; do :; done";
    for (signal, code) in [(Signal::USR1, 3), (Signal::TERM, 143), (Signal::INT, 130)] {
        // A signal that whoever runs the tests ignores (a job in the background, SIGINT) would be
        // ignored by the shell too, whatever its traps.
        let mut init = Command::new("env")
            .args(["--default-signal", INIT, "--", "/bin/sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(init.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        kill_process(Pid::from_child(&init), signal).unwrap();
        assert_eq!(init.wait().unwrap().code(), Some(code), "{signal:?}");
    }
}

#[test]
fn as_process_1_it_leaves_no_zombie() {
    // The orphan's death is seen by the program, in /proc, before it ends.
    let script = "(sleep 0.01 & echo $! > $0); orphan=$(cat $0); \
                  while [ -e /proc/$orphan ]; do :; done; exit 9";
    let note = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("unshare")
        .args([
            "--pid",
            "--fork",
            "--mount-proc",
            "--",
            INIT,
            "--",
            "/bin/sh",
            "-c",
            script,
        ])
        .arg(note.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
}
