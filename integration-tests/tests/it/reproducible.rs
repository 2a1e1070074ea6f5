//! `gantry build --reproducible`, `--verify`, and several outputs of one build.

use std::fs;
use std::path::PathBuf;

use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;
use integration_tests::{Answer, Engine};

fn folder(engine: &Engine, name: &str, dockerfile: &str) -> PathBuf {
    let root = engine.dir().join(name);
    fs::create_dir(&root).expect("a folder");
    fs::write(root.join("Dockerfile"), dockerfile).expect("a file");
    root
}

fn build(engine: &Engine, words: &[&str]) -> Answer {
    engine.gantry().run(&[&["build"], words].concat())
}

#[test]
fn two_clean_builds_give_the_same_image_and_what_differs_is_named() {
    let engine = Engine::start();
    let same = folder(
        &engine,
        "same",
        &format!(
            "FROM {BUSYBOX}\nRUN echo made > /made && mkdir -p /a/b && touch /a/b/c\nCOPY Dockerfile /\n"
        ),
    );
    let same = same.to_str().expect("text");
    if engine.kind() == Kind::Stock {
        // No other engine knows what is asked for: it is told so before anything is built.
        let refused = build(&engine, &["--reproducible", same]);
        assert!(
            refused.code == 1 && refused.err.contains("Gantry engine"),
            "{refused:?}"
        );
        engine.finish();
        return;
    }
    let clean = ["-q", "--no-cache", "--reproducible", same];
    let id = build(&engine, &clean).ok();
    assert_eq!(build(&engine, &clean).ok(), id);
    let docker = engine.stock_docker();
    let inspect = ["image", "inspect", "-f", "{{.Created}}", &id];
    assert_eq!(docker.run(&inspect).ok(), "1970-01-01T00:00:00Z");
    let later = [
        "-q",
        "--build-arg=SOURCE_DATE_EPOCH=1000000000",
        "--reproducible",
        same,
    ];
    let later = build(&engine, &later).ok();
    let inspect = ["image", "inspect", "-f", "{{.Created}}", &later];
    assert_eq!(docker.run(&inspect).ok(), "2001-09-09T01:46:40Z");

    let verified = build(&engine, &["--verify", "-q", "-t", "verified:1", same]);
    assert_eq!(verified.ok(), id);
    let named = ["image", "inspect", "-f", "{{.Id}}", "verified:1"];
    assert_eq!(docker.run(&named).ok(), id);

    let other = folder(
        &engine,
        "other",
        &format!(
            "FROM {BUSYBOX}\nRUN echo same > /same\nRUN echo same > /a; cat /proc/sys/kernel/random/uuid > /b\n"
        ),
    );
    let other = other.to_str().expect("text");
    let failed = build(&engine, &["--verify", "-t", "never:1", other]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let said = "two builds of the same files are not the same: /b differs in its contents \
        (made by RUN /bin/sh -c echo same > /a; cat /proc/sys/kernel/random/uuid > /b";
    assert!(failed.err.contains(said), "{}", failed.err);
    assert_eq!(docker.run(&["images", "-q", "never:1"]).ok(), "");
    engine.finish();
}

#[test]
fn a_build_has_several_outputs() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Asked of a Gantry engine alone (ADR 36).
        engine.finish();
        return;
    }
    let root = folder(
        &engine,
        "context",
        &format!(
            "FROM {BUSYBOX} AS made\nRUN cat /proc/sys/kernel/random/uuid > /made\nFROM scratch\nCOPY --from=made /made /\n"
        ),
    );
    let root = root.to_str().expect("text");
    let at = |name: &str| engine.dir().join(name).display().to_string();
    let outputs = [
        format!("--output=type=local,dest={}", at("local")),
        format!("--output=type=tar,dest={}", at("files.tar")),
        format!("--output=type=docker,dest={}", at("image.tar")),
    ];
    let mut words: Vec<&str> = outputs.iter().map(String::as_str).collect();
    words.extend(["--no-cache", "-t", "several:1", root]);
    let built = build(&engine, &words);
    assert_eq!(built.code, 0, "{built:?}");
    let made = fs::read_to_string(engine.dir().join("local/made")).expect("a file");
    let mut tar = tar::Archive::new(fs::File::open(at("files.tar")).expect("a tar"));
    let mut found = String::new();
    for entry in tar.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path").ends_with("made") {
            std::io::Read::read_to_string(&mut entry, &mut found).expect("text");
        }
    }
    assert_eq!(found, made, "one build gave both");
    let docker = engine.stock_docker();
    docker.run(&["rmi", "several:1"]).ok();
    docker.run(&["load", "-i", &at("image.tar")]).ok();
    let id = docker.run(&["create", "several:1", "x"]).ok();
    let to = at("copied");
    docker.run(&["cp", &format!("{id}:/made"), &to]).ok();
    assert_eq!(fs::read_to_string(&to).expect("a file"), made);
    let twice = build(&engine, &["-o", "-", "-o", "type=tar", root]);
    assert!(
        twice
            .err
            .contains("only one output can go to standard output"),
        "{twice:?}"
    );
    engine.finish();
}
