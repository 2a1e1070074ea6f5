//! gantryd killed at each boundary between what it writes and what it tells: afterwards every
//! container, image, volume and network is whole or gone, exits are known, and nothing is left.
//!
//! The instants are named in the engine (`GANTRY_FAILPOINT=NAME=kill`); a name that no case here
//! walks fails the test.

mod cases;
mod checks;

use std::path::Path;
use std::thread;

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, Engine, Kind};

use cases::{CASES, Case};

/// Where the engine names them.
const NAMES: [&str; 4] = [
    include_str!("../../../daemon/src/container/failpoints.rs"),
    include_str!("../../../daemon/src/volume/failpoints.rs"),
    include_str!("../../../daemon/crates/image/src/failpoints.rs"),
    include_str!("../../../daemon/crates/network/src/store/failpoints.rs"),
];
/// What they begin with.
const PARTS: [&str; 4] = ["container.", "volume.", "image.", "network."];

/// A command in words; `\ ` is a space within one.
fn words(command: &str, archive: &Path) -> Vec<String> {
    let spaced = command.replace("\\ ", "\0");
    let word = |word: &str| match word {
        "ARCHIVE" => archive.display().to_string(),
        _ => word.replace('\0', " ").replace("IMAGE", BUSYBOX),
    };
    spaced.split(' ').map(word).collect()
}

fn call(docker: &Client, command: &str) -> integration_tests::Answer {
    let words = words(command, &docker.home().join("archive.tar"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    docker.run(&words)
}

fn walk(engine: &mut Engine, case: &Case) {
    let docker = engine.docker();
    for command in case.before {
        let answer = call(&docker, command);
        assert_eq!(answer.code, 0, "{}: {command}: {answer:?}", case.failpoint);
    }
    engine.stop_daemon();
    let armed = format!("{}=kill", case.failpoint);
    engine.start_daemon_with(&[("GANTRY_FAILPOINT", &armed)]);
    thread::scope(|scope| {
        // Its answer is lost with the engine, or came before it; a connection that it makes after the
        // death waits in the socket that outlives the engine, for the next one.
        scope.spawn(|| call(&docker, case.cut));
        assert_eq!(engine.daemon_ended(), Some(9), "{}", case.failpoint);
        engine.start_daemon();
    });
    println!("{}: {}", case.failpoint, case.cut);
    (case.check)(&docker);
    engine.clean();
}

#[test]
fn every_boundary_can_be_the_last_instant() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // The instants are gantryd's.
        return engine.finish();
    }
    let names = NAMES
        .iter()
        .flat_map(|file| file.split('"'))
        .filter(|text| PARTS.iter().any(|part| text.starts_with(part)) && !text.contains(' '));
    for name in names {
        let walked = CASES.iter().any(|case| case.failpoint == name);
        assert!(walked, "no case walks {name}");
    }
    for case in CASES {
        walk(&mut engine, case);
    }
    engine.finish();
}
