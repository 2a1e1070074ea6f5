//! What needs a capability that build machines often lack (CAP_SYS_RESOURCE and others).

use integration_tests::Engine;
use integration_tests::image::BUSYBOX;

/// A field of /proc/PID/status.
fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim_matches([':', '\t', ' '])
        .to_owned()
}

#[test]
fn a_privileged_container_has_what_the_machine_has() {
    let engine = Engine::start();
    let docker = engine.docker();
    let run = |script: &str| {
        let flags = ["run", "--rm", "--privileged", BUSYBOX, "sh", "-c", script];
        docker.run(&flags).ok()
    };
    let machine = std::fs::read_to_string("/proc/1/status").expect("the machine's init");
    let status = run("cat /proc/self/status");
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(&status, set), field(&machine, "CapBnd"), "{set}");
    }
    assert_eq!(field(&status, "Seccomp"), "0");
    assert_eq!(field(&status, "NoNewPrivs"), "0");
    let disk = std::fs::metadata("/dev/vda").is_ok();
    assert!(disk, "the machine has a disk");
    assert_eq!(
        run("head -c 4096 /dev/vda | wc -c"),
        "4096",
        "the disk's device is there and may be read"
    );
    run("mount -t tmpfs t /tmp && touch /tmp/x && umount /tmp");
    let sysctl = "/proc/sys/kernel/panic_on_warn";
    run(&format!("cat {sysctl} > /tmp/was; cat /tmp/was > {sysctl}"));
    engine.finish();
}

#[test]
fn a_plain_container_has_dockers_capabilities() {
    let engine = Engine::start();
    let docker = engine.docker();
    let run = |flags: &[&str]| {
        let cat = [BUSYBOX, "cat", "/proc/self/status"];
        docker.run(&[&["run", "--rm"], flags, &cat].concat()).ok()
    };
    let plain = run(&[]);
    assert_eq!(field(&plain, "CapEff"), "00000000a80425fb");
    assert_eq!(field(&plain, "CapBnd"), "00000000a80425fb");
    assert_eq!(field(&plain, "Seccomp"), "2");
    let more = run(&["--cap-add", "SYS_RESOURCE", "--cap-drop", "NET_RAW"]);
    assert_eq!(field(&more, "CapEff"), "00000000a90405fb");
    engine.finish();
}

#[test]
fn limits_above_the_engines_own_are_set() {
    let engine = Engine::start();
    let docker = engine.docker();
    let run = |flags: &[&str], script: &str| {
        let sh = [BUSYBOX, "sh", "-c", script];
        docker.run(&[&["run", "--rm"], flags, &sh].concat()).ok()
    };
    let raised = ["--ulimit", "nofile=1048570:1048575"];
    assert_eq!(run(&raised, "ulimit -n; ulimit -Hn"), "1048570\n1048575");
    let limits = std::fs::read_to_string("/proc/self/limits").expect("our own limits");
    let own = limits.lines().find(|l| l.starts_with("Max locked memory"));
    assert!(!own.expect("a limit").contains("unlimited"));
    let unlimited = ["--ulimit", "memlock=-1:-1"];
    assert_eq!(
        run(&unlimited, "ulimit -l; ulimit -Hl"),
        "unlimited\nunlimited"
    );
    engine.finish();
}

#[test]
fn a_lowered_oom_score_is_set() {
    let engine = Engine::start();
    let flags = ["run", "--rm", "--oom-score-adj", "-500"];
    let cat = [BUSYBOX, "cat", "/proc/self/oom_score_adj"];
    let score = engine.docker().run(&[&flags[..], &cat].concat()).ok();
    assert_eq!(score, "-500");
    engine.finish();
}
