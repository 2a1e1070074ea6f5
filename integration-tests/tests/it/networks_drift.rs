//! What others spoil of the networks while the engine is away is mended at its start, and told.

use std::collections::BTreeSet;
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};

/// What the kernel takes away goes by itself, within this time.
pub(crate) const GONE_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn told_by(command: &mut std::process::Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) fn links(engine: &Engine, kind: &str) -> usize {
    let mut ip = engine.on_host("ip");
    let told = told_by(ip.args(["-o", "link", "show", "type", kind]));
    told.lines().count()
}

fn table(engine: &Engine) -> String {
    let tables = told_by(engine.on_host("nft").args(["list", "tables", "ip"]));
    let mut names = tables
        .lines()
        .filter_map(|line| line.strip_prefix("table ip "));
    let name = names.find(|name| name.starts_with("gantry_"));
    name.expect("the engine's table").to_owned()
}

/// The host's ports in the engine's table.
pub(crate) fn published(engine: &Engine) -> BTreeSet<String> {
    let mut nft = engine.on_host("nft");
    let told = told_by(nft.args(["-nn", "list", "map", "ip", &table(engine), "ports"]));
    let elements = told.split_once("elements = {").map_or("", |(_, all)| all);
    let elements = elements
        .split(',')
        .filter_map(|part| part.split_once(" : "));
    let ports = elements.filter_map(|(key, _)| key.rsplit(" . ").next());
    ports.map(|port| port.trim().to_owned()).collect()
}

#[test]
fn what_others_spoilt_while_the_engine_was_away_is_mended_at_its_start_and_told() {
    let mut engine = Engine::of(Kind::Gantry, &[]);
    let docker = engine.docker();
    let serve = "while true; do echo here | nc -l -p 80; done";
    let run = [
        "run", "-d", "--name", "web", "-p", "8080:80", BUSYBOX, "sh", "-c", serve,
    ];
    docker.run(&run).ok();
    let answers = |engine: &Engine| {
        eventually("the published port answers", GONE_WITHIN, || {
            let mut ask = engine.on_host("busybox");
            let asked = ask
                .args(["nc", "-w", "2", "127.0.0.1", "8080"])
                .output()
                .ok()?;
            (asked.stdout == b"here\n").then_some(())
        });
    };
    answers(&engine);
    let name = table(&engine);
    let short = name.trim_start_matches("gantry_").to_owned();
    let veth = told_by(
        engine
            .on_host("ip")
            .args(["-o", "link", "show", "type", "veth"]),
    );
    let veth = veth.split_whitespace().nth(1).expect("a link");
    let veth = veth.split('@').next().expect("a name").to_owned();
    let stale = format!("v{short}00dead");
    let element = "{ tcp . 8080 : 172.17.0.2 . 80 }";
    let wrong = "{ tcp . 9090 : 172.17.0.9 . 80 }";
    let spoil: [(&str, &[&str], &str); 3] = [
        (
            "ip",
            &["link", "del", &veth],
            "connected container web to network bridge again",
        ),
        (
            "nft",
            &["delete", "element", "ip", &name, "ports", element],
            "1 published ports were missing, 0 belonged to nothing",
        ),
        (
            "nft",
            &["add", "element", "ip", &name, "ports", wrong],
            "0 published ports were missing, 1 belonged to nothing",
        ),
    ];
    for (program, words, told) in spoil {
        engine.kill_daemon();
        told_by(engine.on_host(program).args(words));
        let before = engine.log().len();
        engine.start_daemon();
        answers(&engine);
        assert_eq!(published(&engine), BTreeSet::from(["8080".to_owned()]));
        eventually(told, GONE_WITHIN, || {
            engine.log()[before..].contains(told).then_some(())
        });
    }
    engine.kill_daemon();
    let pair = ["link", "add", &stale, "type", "veth", "peer", "name", "x1"];
    told_by(engine.on_host("ip").args(pair));
    engine.start_daemon();
    eventually("what nobody owns is gone", GONE_WITHIN, || {
        (links(&engine, "veth") == 1).then_some(())
    });
    let told = format!("deleted {stale}, which belongs to nothing");
    assert!(engine.log().contains(&told), "{}", engine.log_tail());
    engine.finish();
}
