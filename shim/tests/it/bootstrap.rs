//! The binary's calls.

use std::process::Command;

use crate::shim::Shim;

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_containerd-shim-lite-v2"))
}

#[tokio::test]
async fn the_address_is_in_the_bundle_and_the_server_is_a_daemon() {
    let mut shim = Shim::start(&["/bin/true"]).await;
    let address = std::fs::read_to_string(shim.bundle().join("address")).unwrap();
    assert!(
        address.starts_with("unix:///") && address.contains("/s/"),
        "{address}"
    );
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", shim.pid)).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(fields[3], shim.pid.to_string(), "a session of its own");
    let again = crate::shim::call(&shim.supervisor.address, &shim.bundle(), &shim.id, "start");
    let again = String::from_utf8(again).unwrap();
    assert!(
        again.contains(&address),
        "a second start finds the same server: {again}"
    );
    shim.create().await;
    shim.run().await;
    shim.wait("").await;
    shim.finish().await;
}

#[test]
fn version_is_told_and_nonsense_refused() {
    let output = binary().arg("-v").output().unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains(env!("CARGO_PKG_VERSION"))
    );
    let output = binary().args(["-id", "x", "start"]).output().unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("namespace")
    );
    assert!(binary().arg("-info").output().unwrap().status.success());
}

#[test]
fn cleaning_up_after_nobody_is_no_error() {
    let bundle = tempfile::tempdir().unwrap();
    let address = bundle.path().join("none.sock");
    let answer = crate::shim::call(&address, bundle.path(), "nobody", "delete");
    assert!(!answer.is_empty());
}
