//! What docker lacks: published ports that change while a container runs, who can reach them, a picture of
//! the networks, volumes that are renamed, exported and imported.

use std::process::Stdio;
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};

/// Answers each connection on a port with a word.
const SERVE: &str =
    "while :; do echo one | nc -l -p 80; done & while :; do echo two | nc -l -p 81; done";

/// What a server of the host's port says; nothing where nobody is.
fn said(engine: &Engine, port: &str) -> String {
    let mut client = engine.on_host("busybox");
    client
        .args(["nc", "-w", "2", "127.0.0.1", port])
        .stdin(Stdio::null());
    let answer = client.output().expect("busybox runs");
    String::from_utf8_lossy(&answer.stdout)
        .trim_end()
        .to_owned()
}

fn says(engine: &Engine, port: &str, word: &str) {
    eventually(
        &format!("{word:?} from port {port}"),
        Duration::from_secs(20),
        || (said(engine, port) == word).then_some(()),
    );
}

#[test]
fn published_ports_change_while_a_container_runs() {
    let mut engine = Engine::of(Kind::Gantry, &[]);
    let gantry = engine.gantry();
    let run = ["run", "-d", "--name", "web", "-p", "8080:80", BUSYBOX];
    gantry.run(&[&run[..], &["sh", "-c", SERVE]].concat()).ok();
    says(&engine, "8080", "one");

    let update = |flags: &[&str]| {
        engine
            .gantry()
            .run(&[&["update"], flags, &["web"]].concat())
    };
    update(&["--publish-add", "9090:81"]).ok();
    says(&engine, "9090", "two");
    says(&engine, "8080", "one");
    let ports = gantry.run(&["port", "web"]).ok();
    assert!(ports.contains("81/tcp -> 0.0.0.0:9090"), "{ports}");

    // A number of the host's changes hands in one step.
    update(&["--publish-rm", "8080:80", "--publish-add", "8080:81"]).ok();
    says(&engine, "8080", "two");
    update(&["--publish-rm", "9090:81"]).ok();
    assert_eq!(said(&engine, "9090"), "");

    gantry
        .run(&[
            "run", "-d", "--name", "other", "-p", "7000:80", BUSYBOX, "sleep", "1000",
        ])
        .ok();
    let taken = update(&["--publish-rm", "8080", "--publish-add", "7000:80"]);
    assert_eq!(taken.code, 1, "{taken:?}");
    let taken = update(&["--publish-add", "6000:80", "--publish-add", "7000:80"]);
    assert_eq!(taken.code, 1);
    assert!(taken.err.contains("port is already allocated"), "{taken:?}");
    let bindings = "{{json .HostConfig.PortBindings}}";
    let has = engine
        .gantry()
        .run(&["inspect", "-f", bindings, "web"])
        .ok();
    assert_eq!(has, r#"{"81/tcp":[{"HostIp":"","HostPort":"8080"}]}"#);
    assert_eq!(said(&engine, "6000"), "");
    says(&engine, "8080", "two");

    engine.kill_daemon();
    engine.start_daemon();
    says(&engine, "8080", "two");
    engine.gantry().run(&["restart", "-t", "0", "web"]).ok();
    says(&engine, "8080", "two");
    assert_eq!(said(&engine, "9090"), "");
    engine.finish();
}

#[test]
fn who_reaches_a_port_is_told_and_drawn() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let gantry = engine.gantry();
    gantry
        .run(&["network", "create", "--internal", "back"])
        .ok();
    let stay = |name: &str, flags: &[&str]| {
        let run = ["run", "-d", "--name", name];
        gantry
            .run(&[&run, flags, &[BUSYBOX, "sleep", "1000"]].concat())
            .ok();
    };
    stay("web", &["-p", "127.0.0.1:8080:80", "-p", "0.0.0.0:9090:80"]);
    stay("db", &["--network", "back"]);
    gantry.run(&["network", "connect", "back", "web"]).ok();

    let local = gantry.run(&["port", "--reach", "web", "80"]).ok();
    assert!(local.contains("127.0.0.1:8080 (local)"), "{local}");
    // The engine's host has the bridges' addresses, which are private.
    assert!(local.contains("0.0.0.0:9090 (lan)"), "{local}");
    let list = gantry.run(&["ps", "--reach"]).ok();
    assert!(
        list.contains("REACHED BY") && list.contains("lan: 9090; local: 8080"),
        "{list}"
    );
    let plain = gantry.run(&["ps", "--format", "json"]).ok();
    assert!(
        !plain.contains("Reach"),
        "docker's own lists are docker's: {plain}"
    );

    let text = gantry.run(&["network", "graph"]).ok();
    for line in [
        "─ local ─▶ 127.0.0.1:8080 ─▶ web:80/tcp",
        "─ lan   ─▶ 0.0.0.0:9090 ─▶ web:80/tcp",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(
        text.contains("leads nowhere)") && text.contains("⇄ web"),
        "{text}"
    );
    assert!(!text.contains("none ("), "nobody is there: {text}");
    let dot = gantry
        .run(&["network", "graph", "--format", "dot", "back"])
        .ok();
    assert!(
        dot.starts_with("graph networks {") && !dot.contains("172.17."),
        "{dot}"
    );
    let svg = gantry.run(&["network", "graph", "--format", "svg"]).ok();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
    assert_eq!(gantry.run(&["network", "graph", "nothing"]).code, 1);
    engine.finish();
}

#[test]
fn volumes_are_renamed_and_their_contents_travel() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let gantry = engine.gantry();
    let within = |volume: &str, command: &str| {
        let mount = format!("{volume}:/v");
        gantry.run(&["run", "--rm", "-v", &mount, BUSYBOX, "sh", "-c", command])
    };
    let fill = "echo hello > /v/a; mkdir /v/d; ln -s ../a /v/d/link; chown 7:8 /v/a; chmod 600 /v/a; chown 9:9 /v; chmod 750 /v";
    within("data", fill).ok();
    gantry.run(&["volume", "rename", "data", "new"]).ok();
    assert_eq!(gantry.run(&["volume", "ls", "-q"]).ok(), "new");
    assert_eq!(within("new", "cat /v/d/link").ok(), "hello");

    gantry
        .run(&["create", "--name", "user", "-v", "new:/v", BUSYBOX, "true"])
        .ok();
    let used = gantry.run(&["volume", "rename", "new", "newer"]);
    assert!(
        used.err.contains("rename new: volume is in use - ["),
        "{used:?}"
    );

    let file = engine.dir().join("volume.tar");
    let file = file.to_str().expect("a plain path");
    gantry.run(&["volume", "export", "-o", file, "new"]).ok();
    assert_eq!(gantry.run(&["volume", "import", "copy", file]).ok(), "copy");
    let looks = "cat /v/a; stat -c '%u:%g %a' /v /v/a; readlink /v/d/link";
    assert_eq!(within("copy", looks).ok(), "hello\n9:9 750\n7:8 600\n../a");
    let full = gantry.run(&["volume", "import", "copy", file]);
    assert!(full.err.contains("the volume is not empty"), "{full:?}");

    let torn = engine.dir().join("torn.tar");
    std::fs::write(&torn, vec![b'x'; 4096]).expect("a file");
    let torn = gantry.run(&["volume", "import", "never", torn.to_str().expect("plain")]);
    assert_eq!(torn.code, 1, "{torn:?}");
    assert!(!gantry.run(&["volume", "ls", "-q"]).ok().contains("never"));

    let tmpfs = ["-o", "type=tmpfs", "-o", "device=tmpfs"];
    gantry
        .run(&[&["volume", "create"], &tmpfs[..], &["memory"]].concat())
        .ok();
    gantry.run(&["volume", "export", "-o", file, "memory"]).ok();
    let own = gantry.run(&["volume", "import", "memory", file]);
    assert!(own.err.contains("a mount of its own"), "{own:?}");
    let missing = gantry.run(&["volume", "export", "-o", file, "nothing"]);
    assert!(missing.err.contains("no such volume"), "{missing:?}");
    engine.finish();
}
