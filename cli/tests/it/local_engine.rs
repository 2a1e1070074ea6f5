//! `gantry engine start`, `status`, `stop`, `install`, with a program in gantryd's place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{Answers, Engine};

/// A folder of one test with a `gantryd` in it, and the flags that keep everything there.
struct Place {
    dir: TempDir,
}

impl Place {
    fn with_program(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("gantryd");
        fs::write(&program, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn gantry(&self, verb: &str, more: &[&str]) -> (String, String, i32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent");
        command
            .args(["engine", verb, "--data-root"])
            .arg(self.path("data"));
        command.arg("--exec-root").arg(self.path("run")).args(more);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            text(&output.stdout),
            text(&output.stderr),
            output.status.code().unwrap_or(-1),
        )
    }

    fn start(&self, more: &[&str]) -> (String, String, i32) {
        let program = self.path("gantryd");
        let mut flags = vec!["--program", program.to_str().unwrap()];
        flags.extend(more);
        self.gantry("start", &flags)
    }
}

/// Answers through a link to the played engine's socket, as long as it lives.
fn answering(engine: &Engine) -> String {
    let socket = engine.host().replace("unix://", "");
    format!(
        "while [ $# -gt 0 ]; do case $1 in --pidfile) pid=$2;; --host) sock=${{2#unix://}};; esac; shift; done
         trap 'rm -f $pid $sock; exit 0' TERM
         echo $$ > $pid; ln -s {socket} $sock; echo up
         while :; do sleep 0.05; done\n"
    )
}

fn session_of(pid: i64) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    after_name.split(' ').nth(3).unwrap().parse().unwrap()
}

#[test]
fn an_engine_starts_is_found_again_and_stops() {
    let version = (200, "{\"Version\":\"9.9\",\"Components\":[]}".to_owned());
    let answers: Answers = [("GET /version", version)].into_iter().collect();
    let engine = Engine::serve(answers);
    let place = Place::with_program(&answering(&engine));
    let (_, err, code) = place.start(&[]);
    assert_eq!(code, 0, "{err}");
    let (out, err, code) = place.gantry("status", &["--format", "json"]);
    assert_eq!(code, 0, "{err}");
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&status["State"], &status["Version"]),
        (&"running".into(), &"9.9".into())
    );
    let pid = status["Pid"].as_i64().unwrap();
    assert_eq!(
        session_of(pid),
        pid,
        "it must outlive the terminal it was started from"
    );
    let (_, err, code) = place.start(&[]);
    assert_eq!(code, 0);
    assert!(err.contains("runs already"), "{err}");
    let (_, err, code) = place.gantry("stop", &[]);
    assert_eq!((code, err.trim()), (0, "the engine has stopped"));
    assert!(!Path::new(&format!("/proc/{pid}/status")).exists() || is_zombie(pid));
    let (out, _, code) = place.gantry("status", &[]);
    assert_eq!(code, 3);
    assert!(out.starts_with("State:     stopped\n"), "{out}");
}

fn is_zombie(pid: i64) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| text.contains("State:\tZ"))
}

#[test]
fn an_engine_that_ends_at_once_shows_its_log() {
    let place = Place::with_program("echo 'cannot bind: no such thing' >&2; exit 7\n");
    let (_, err, code) = place.start(&[]);
    assert_eq!(code, 1);
    assert!(
        err.contains("the engine ended at once (exit status: 7)"),
        "{err}"
    );
    assert!(err.contains("cannot bind: no such thing"), "{err}");
    assert!(err.contains("gantryd.log"), "{err}");
}

#[test]
fn flags_of_the_engine_are_passed_on() {
    let place = Place::with_program("echo \"$@\"; exit 1\n");
    let (_, err, _) = place.start(&["--", "--debug", "--bip=10.9.0.1/24"]);
    let data = place.path("data");
    assert!(
        err.contains(&format!("--data-root {}", data.display())),
        "{err}"
    );
    assert!(err.contains("--debug --bip=10.9.0.1/24"), "{err}");
}

#[test]
fn units_are_written_beneath_a_root() {
    let root = tempfile::tempdir().unwrap();
    let install = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantry"));
        command.args(["engine", "install", "--prefix", "/opt/gantry", "--root"]);
        command.arg(root.path()).args(more).output().unwrap()
    };
    let units = root.path().join("etc/systemd/system");
    let dry = install(&["--dry-run"]);
    assert!(dry.status.success());
    assert!(!units.exists(), "a dry run writes nothing");
    assert!(String::from_utf8_lossy(&dry.stdout).contains("KillMode=process"));
    let installed = install(&["--docker-socket"]);
    assert!(installed.status.success());
    let talk = String::from_utf8_lossy(&installed.stderr).into_owned();
    assert!(talk.contains("groupadd --system docker"), "{talk}");
    let service = fs::read_to_string(units.join("gantryd.service")).unwrap();
    assert!(service.contains("ExecStart=/opt/gantry/bin/gantryd"));
    assert!(
        fs::read_to_string(units.join("gantryd.socket"))
            .unwrap()
            .contains("/run/docker.sock")
    );
    let socket = || fs::read_to_string(units.join("gantryd.socket")).unwrap();
    assert!(socket().contains("SocketGroup=root\n"));
    fs::write(root.path().join("etc/group"), "root:x:0:\ndocker:x:990:\n").unwrap();
    assert!(install(&[]).status.success());
    assert!(socket().contains("SocketGroup=docker\n"));
    // Where Docker is, its socket stays its own.
    fs::create_dir_all(root.path().join("usr/bin")).unwrap();
    fs::write(root.path().join("usr/bin/dockerd"), "").unwrap();
    let refused = install(&["--docker-socket"]);
    assert_eq!(refused.status.code(), Some(1));
}
