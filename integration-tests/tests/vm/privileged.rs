//! What needs a capability that build machines often lack (CAP_SYS_RESOURCE and others). One engine
//! for all of it: starting one is what costs most on an emulated machine.

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine};

#[test]
fn what_an_ordinary_machine_forbids() {
    let engine = Engine::start();
    let docker = engine.docker();
    a_privileged_container_has_what_the_machine_has(&docker);
    a_plain_container_has_dockers_capabilities(&docker);
    limits_above_the_engines_own_are_set(&docker);
    assert_eq!(
        run(
            &docker,
            &["--oom-score-adj=-500"],
            "cat /proc/self/oom_score_adj"
        ),
        "-500"
    );
    engine.finish();
}

#[track_caller]
fn run(docker: &Client, flags: &[&str], script: &str) -> String {
    let sh = [BUSYBOX, "sh", "-c", script];
    docker.run(&[&["run", "--rm"], flags, &sh].concat()).ok()
}

/// A field of /proc/PID/status.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim_matches([':', '\t', ' '])
        .to_owned()
}

fn a_privileged_container_has_what_the_machine_has(docker: &Client) {
    // After the status: it may mount, read the machine's disk, and write its settings.
    let script = "cat /proc/self/status; set -e; mount -t tmpfs t /tmp; \
        head -c 4096 /dev/vda | wc -c; cd /proc/sys/kernel; \
        cat panic_on_warn >/tmp/was; cat /tmp/was >panic_on_warn; umount /tmp; echo done";
    let said = run(docker, &["--privileged"], script);
    let machine = std::fs::read_to_string("/proc/1/status").expect("the machine's init");
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(&said, set), field(&machine, "CapBnd"), "{set}");
    }
    assert_eq!(field(&said, "Seccomp"), "0");
    assert_eq!(field(&said, "NoNewPrivs"), "0");
    assert!(said.ends_with("\n4096\ndone"), "{said}");
}

fn a_plain_container_has_dockers_capabilities(docker: &Client) {
    let status = "cat /proc/self/status";
    let plain = run(docker, &[], status);
    assert_eq!(field(&plain, "CapEff"), "00000000a80425fb");
    assert_eq!(field(&plain, "CapBnd"), "00000000a80425fb");
    assert_eq!(field(&plain, "Seccomp"), "2");
    let flags = ["--cap-add=SYS_RESOURCE", "--cap-drop=NET_RAW"];
    let other = run(docker, &flags, status);
    assert_eq!(field(&other, "CapEff"), "00000000a90405fb");
}

fn limits_above_the_engines_own_are_set(docker: &Client) {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("our own limits");
    let own = limits.lines().find(|l| l.starts_with("Max locked memory"));
    assert!(!own.expect("a limit").contains("unlimited"));
    let raised = ["--ulimit=nofile=1048570:1048575", "--ulimit=memlock=-1:-1"];
    let script = "ulimit -n; ulimit -Hn; ulimit -l; ulimit -Hl";
    assert_eq!(
        run(docker, &raised, script),
        "1048570\n1048575\nunlimited\nunlimited"
    );
}
