//! The program as a user of a container meets it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hello"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn sh(script: &str) -> (i32, String) {
    let out = run(&["sh", "-c", script]);
    (
        out.status.code().expect("not killed"),
        String::from_utf8_lossy(&out.stdout).into_owned(),
    )
}

#[test]
fn says_hello_and_what_to_try() {
    let out = run(&["hello"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    for name in [
        "gantryd",
        "containerd-lite",
        "containerd-shim-lite-v2",
        "runc-lite",
        "Next:",
    ] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    assert!(out.status.success());
}

#[test]
fn an_unknown_applet_is_refused_by_name() {
    let out = run(&["nosuch"]);
    assert_eq!(out.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&out.stderr).contains("nosuch: no such applet"));
}

#[test]
fn the_shell_runs_pipes_lists_and_variables() {
    assert_eq!(
        sh("X='a  b'; echo \"$X\" $X | cat"),
        (0, "a  b a b\n".into())
    );
    assert_eq!(sh("false || echo no && echo yes"), (0, "no\nyes\n".into()));
    assert_eq!(sh("exit 7"), (7, String::new()));
    assert_eq!(sh("false; echo $?"), (0, "1\n".into()));
    assert_eq!(sh("nosuchprogram"), (127, String::new()));
    assert_eq!(
        sh("A=1 B=2 env | cat >/dev/null; A=5; exec echo $A"),
        (0, "5\n".into())
    );
}

#[test]
fn the_shell_redirects_into_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("out");
    let script = format!("echo one >{0}; echo two >>{0}; cat <{0}", file.display());
    assert_eq!(sh(&script), (0, "one\ntwo\n".into()));
    assert_eq!(
        sh(&format!("cat {} 2>&1", dir.path().join("none").display())).0,
        1
    );
}

#[test]
fn cat_copies_what_comes() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hello"))
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(b"through\0and through").expect("writes");
    drop(stdin);
    assert_eq!(
        child.wait_with_output().expect("ends").stdout,
        b"through\0and through"
    );
}
