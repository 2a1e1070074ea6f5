//! `gantry build --on-fail=shell`: a failed step is entered from a terminal, left, and nothing of it stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;
use integration_tests::{Answer, Engine, eventually, programs};
use serde_json::{Value, json};

/// How long a build that nobody waits for may take to be gone.
const LIMIT: Duration = Duration::from_secs(30);

/// A folder whose second step fails when it has made a file, and a secret for it.
fn failing(engine: &Engine) -> (PathBuf, PathBuf) {
    let root = engine.dir().join("failing");
    fs::create_dir_all(&root).expect("a folder");
    let text = format!(
        "FROM {BUSYBOX}\n\
         RUN echo before >/before\n\
         ENV COLOUR=green\n\
         WORKDIR /work\n\
         RUN --mount=type=cache,target=/cache --mount=type=secret,id=token,required=true \\\n    \
             echo kept >/cache/file; echo made >made; echo this went wrong; exit 7\n"
    );
    fs::write(root.join("Dockerfile"), text).expect("a file");
    let secret = engine.dir().join("secret");
    fs::write(&secret, "hidden").expect("a file");
    (root, secret)
}

/// `gantry build --on-fail=shell` on a terminal: what is waited for, and what is done then.
fn on_terminal(engine: &Engine, steps: &Value, (root, secret): &(PathBuf, PathBuf)) -> Command {
    let script = engine.dir().join("terminal.py");
    fs::write(&script, include_str!("on_fail/terminal.py")).expect("a script");
    let client = engine.gantry();
    let secret = format!("--secret=id=token,src={}", secret.display());
    let root = root.to_str().expect("text");
    let words = ["build", "--on-fail=shell", "--no-cache", &secret, root];
    let build = client.command(&words);
    let mut python = Command::new(programs::python());
    python.arg(script).arg(steps.to_string());
    python.arg(build.get_program()).args(build.get_args());
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    python
}

fn run(mut terminal: Command) -> Answer {
    let told = terminal.output().expect("python runs");
    Answer {
        code: told.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&told.stdout).into_owned(),
        err: String::from_utf8_lossy(&told.stderr).into_owned(),
    }
}

/// What programs of builds have of the exec root.
fn left(engine: &Engine) -> usize {
    let count = |path: &Path| fs::read_dir(path).map_or(0, Iterator::count);
    let build = engine.exec_root().join("build");
    ["programs", "groups"]
        .iter()
        .map(|sub| count(&build.join(sub)))
        .sum()
}

#[test]
fn a_failed_step_is_entered_with_its_mounts_and_variables() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let project = failing(&engine);
    let line = "echo 1-$COLOUR-$(pwd)-$(cat made /before /cache/file /run/secrets/token | tr '\\n' -); test -t 0 && echo term$((1+1))\n";
    let steps = json!([
        ["this is a shell in its place", ""],
        ["/work #", line],
        ["1-green-/work-made-before-kept-hidden", ""],
        ["term2", "exit 3\n"],
    ]);
    let told = run(on_terminal(&engine, &steps, &project));
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("this went wrong"), "{told:?}");
    assert!(
        told.out.contains("exit code: 7"),
        "the fault is the step's: {told:?}"
    );
    eventually("nothing is left of the shell", LIMIT, || {
        (left(&engine) == 0).then_some(())
    });
    engine.clean();
    engine.finish();
}

#[test]
fn a_terminal_that_is_gone_takes_the_shell_along() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let project = failing(&engine);
    let steps = json!([["/work #", "sleep 1000\n"], ["sleep 1000", null]]);
    let told = run(on_terminal(&engine, &steps, &project));
    assert_eq!(told.code, 0, "{told:?}");
    eventually("nothing is left of the shell", LIMIT, || {
        (left(&engine) == 0).then_some(())
    });
    engine.clean();
    engine.finish();
}

#[test]
fn an_engine_that_is_killed_leaves_no_shell() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let project = failing(&engine);
    let kill = ["kill", "-9", &engine.daemon_pid().to_string()];
    let steps = json!([["/work #", kill]]);
    let terminal = on_terminal(&engine, &steps, &project);
    let killed = std::thread::scope(|scope| {
        let build = scope.spawn(|| run(terminal));
        assert_eq!(engine.daemon_ended(), Some(9));
        // The shell lives on, as all programs do, until the next engine finds that its build has gone.
        engine.start_daemon();
        build.join().expect("no panic")
    });
    assert_ne!(killed.code, 0, "{killed:?}");
    eventually("the next engine sweeps it", LIMIT, || {
        (left(&engine) == 0).then_some(())
    });
    engine.clean();
    engine.finish();
}

#[test]
fn without_a_terminal_it_is_refused() {
    let engine = Engine::start();
    let (root, _) = failing(&engine);
    let root = root.to_str().expect("text");
    for (words, said) in [
        (
            ["--on-fail=shell", root],
            "--on-fail=shell needs a terminal",
        ),
        (
            ["--on-fail=retry", root],
            "invalid value \"retry\" for --on-fail: shell",
        ),
    ] {
        let refused = engine.gantry().run(&[&["build"], &words[..]].concat());
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains(said), "{refused:?}");
    }
    engine.clean();
    engine.finish();
}
