//! Stock `ctr` on our socket.

use std::path::PathBuf;
use std::process::Command;

use crate::engine::Engine;

fn ctr() -> PathBuf {
    let peers = std::env::var_os("GANTRY_PEERS")
        .expect("GANTRY_PEERS names a directory of stock engines; `cargo xtask test` sets it");
    PathBuf::from(peers).join("bin/ctr")
}

fn run(engine: &Engine, arguments: &[&str]) -> String {
    let output = Command::new(ctr())
        .arg("--address")
        .arg(engine.address())
        .args(["--namespace", "test"])
        .args(arguments)
        .output()
        .expect("ctr runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ctr {arguments:?}: {errors}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctr_lists_kills_and_deletes() {
    let engine = Engine::running().await;
    engine.run("c1", "{}").await;
    assert!(run(&engine, &["version"]).contains("containerd-lite"));
    assert!(run(&engine, &["namespaces", "ls"]).contains("test"));
    assert!(run(&engine, &["containers", "ls"]).contains("io.containerd.runc.v2"));
    let tasks = run(&engine, &["tasks", "ls"]);
    assert!(tasks.contains("c1") && tasks.contains("RUNNING"), "{tasks}");
    assert!(run(&engine, &["plugins", "ls"]).contains("gantry.supervisor.v1"));
    run(&engine, &["containers", "label", "c1", "k=v"]);
    assert!(run(&engine, &["containers", "info", "c1"]).contains("\"k\": \"v\""));
    let lease = run(&engine, &["leases", "create", "--id", "l1"]);
    assert_eq!(lease.trim(), "l1");
    run(&engine, &["leases", "delete", "l1"]);
    run(&engine, &["tasks", "kill", "--signal", "SIGKILL", "c1"]);
    assert_eq!(engine.wait("c1").await.expect("ended"), 137);
    engine.delete("c1").await.expect("deleted");
    run(&engine, &["containers", "delete", "c1"]);
    assert!(!run(&engine, &["containers", "ls"]).contains("c1"));
    engine.clean().await;
}
