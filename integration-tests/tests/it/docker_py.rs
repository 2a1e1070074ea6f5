//! docker-py as a client: a script of its own habits, run against the engine.

use integration_tests::{Engine, programs};

#[test]
fn docker_py_works_unchanged() {
    let engine = Engine::start();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker_py.py");
    let mut python = std::process::Command::new(programs::python());
    python.arg(script).env(
        "DOCKER_HOST",
        format!("unix://{}", engine.socket().display()),
    );
    let output = python.output().expect("python runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    engine.finish();
}
