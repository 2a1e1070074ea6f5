//! The trace that spans all programs.

use std::process::Command;

#[test]
fn a_call_adds_itself_to_the_trace_it_inherits() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, bundle) = (
        folder.path().join("trace.json"),
        folder.path().join("bundle"),
    );
    std::fs::create_dir(&bundle).unwrap();
    let mut call = Command::new(env!("CARGO_BIN_EXE_containerd-shim-lite-v2"));
    call.args(["-namespace", "n", "-id", "traced", "-address"]);
    call.arg(folder.path().join("ctd.sock"))
        .arg("delete")
        .current_dir(&bundle);
    assert!(
        call.env("GANTRY_TRACE", &trace)
            .output()
            .unwrap()
            .status
            .success()
    );
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(text.contains("containerd-shim-lite-v2"), "{text}");
}
