//! `gantry build`, by the classic door with events; on stock engines by the classic text.

use std::fs;
use std::path::PathBuf;

use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;
use integration_tests::{Answer, Engine};

/// A folder with files, to be built.
fn context(engine: &Engine, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = engine.dir().join(name);
    for (path, contents) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("a folder");
        fs::write(path, contents.replace("BASE", BUSYBOX)).expect("a file");
    }
    root
}

fn build(engine: &Engine, words: &[&str], stdin: &[u8]) -> Answer {
    engine
        .gantry()
        .run_with(&[&["build"], words].concat(), stdin)
}

const TEXT: &str = "FROM BASE AS one\n\
    ARG WHO=nobody\n\
    RUN echo made for $WHO | tee /who\n\
    FROM scratch\n\
    COPY --from=one /who /\n\
    COPY . /files/\n";

#[test]
fn a_folder_is_built_cached_and_told() {
    let engine = Engine::start();
    let files = [
        (
            "Dockerfile",
            "FROM BASE\nARG WHO=nobody\nRUN echo made for $WHO | tee /who\nCOPY . /files/\n",
        ),
        (".dockerignore", "out\n*.log\n"),
        ("kept", "kept\n"),
        ("a.log", "lost\n"),
        ("out/x", "lost\n"),
    ];
    let root = context(&engine, "folder", &files);
    let root = root.to_str().expect("text");
    let iid = engine.dir().join("iid");
    let iidfile = format!("--iidfile={}", iid.display());
    let words = [
        "--progress=plain",
        "-t",
        "made:1",
        "--build-arg=WHO=me",
        &iidfile,
        root,
    ];
    let built = build(&engine, &words, &[]);
    assert_eq!(built.code, 0, "{built:?}");
    let id = fs::read_to_string(&iid).expect("the id");
    assert!(id.starts_with("sha256:"), "{id}");
    let docker = engine.stock_docker();
    let list = docker
        .run(&["run", "--rm", "made:1", "sh", "-c", "cat /who; ls /files"])
        .ok();
    assert_eq!(list, "made for me\nDockerfile\nkept");
    let shown = docker
        .run(&["image", "inspect", "-f", "{{.Id}}", "made:1"])
        .ok();
    assert_eq!(shown, id);
    let quiet = build(&engine, &["-q", "--build-arg=WHO=me", root], &[]).ok();
    assert_eq!(quiet, id, "the same steps are cached");
    if engine.kind() == Kind::Gantry {
        assert_eq!(built.out, "");
        assert!(built.err.contains(" made for me\n"), "{built:?}");
        assert!(built.err.contains(" DONE "), "{built:?}");
        assert!(built.err.contains(" steps, "), "{built:?}");
        let again = build(&engine, &words, &[]);
        assert!(again.err.contains(" CACHED\n"), "{again:?}");
        let told = build(&engine, &["--progress=json", root], &[]);
        let lines = told
            .err
            .lines()
            .map(serde_json::from_str::<serde_json::Value>);
        assert!(lines.into_iter().all(|line| line.is_ok()), "{told:?}");
    } else {
        assert!(
            built.out.contains("Successfully tagged made:1"),
            "{built:?}"
        );
    }
    engine.clean();
    engine.finish();
}

#[test]
fn faults_have_docker_s_words_and_codes() {
    let engine = Engine::start();
    let root = context(
        &engine,
        "fault",
        &[("Dockerfile", "FROM BASE\nRUN exit 7\n")],
    );
    let root = root.to_str().expect("text");
    let failed = build(&engine, &["--progress=plain", root], &[]);
    assert_eq!(failed.code, 1, "{failed:?}");
    if engine.kind() == Kind::Gantry {
        let words = "did not complete successfully: exit code: 7";
        assert!(failed.err.contains(words), "{failed:?}");
        assert!(failed.err.contains(">>> RUN exit 7"), "{failed:?}");
    }
    for (words, said) in [
        (
            &["/nowhere/at/all"][..],
            "path \"/nowhere/at/all\" not found",
        ),
        (&["--progress=loud", root], "invalid progress mode loud"),
        (
            &["-f", "/nowhere", root],
            "lstat /nowhere: no such file or directory",
        ),
        (&["-t", "A:b:c", root], "invalid reference format"),
        (&["--ssh=default", root], "--ssh is not built yet"),
        (&[], "requires 1 argument"),
    ] {
        let refused = build(&engine, words, &[]);
        assert_ne!(refused.code, 0, "{words:?}");
        assert!(refused.err.contains(said), "{refused:?}");
    }
    engine.clean();
    engine.finish();
}

#[test]
fn standard_input_secrets_and_outputs() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let text = TEXT.replace("BASE", BUSYBOX);
    let root = context(&engine, "input", &[("kept", "kept\n")]);
    let root = root.to_str().expect("text");
    let out = engine.dir().join("out");
    let dest = format!("type=local,dest={}", out.display());
    let words = ["-f", "-", "-o", &dest, "--progress=plain", root];
    let built = build(&engine, &words, text.as_bytes());
    assert_eq!(built.code, 0, "{built:?}");
    assert_eq!(
        fs::read_to_string(out.join("who")).expect("a file"),
        "made for nobody\n"
    );
    assert_eq!(
        fs::read_to_string(out.join("files/kept")).expect("a file"),
        "kept\n"
    );
    let sent = fs::read_dir(out.join("files")).expect("a folder");
    assert_eq!(
        sent.count(),
        1,
        "no step sees the Dockerfile of standard input"
    );
    let alone = format!(
        "FROM {BUSYBOX}\nRUN --mount=type=secret,id=token,required=true wc -c < /run/secrets/token > /length\n"
    );
    let secret = engine.dir().join("secret");
    fs::write(&secret, "12345").expect("a file");
    let secret = format!("id=token,src={}", secret.display());
    let id = build(&engine, &["-q", "--secret", &secret, "-"], alone.as_bytes()).ok();
    let seen = engine
        .stock_docker()
        .run(&["run", "--rm", &id, "cat", "/length"])
        .ok();
    assert_eq!(seen, "5");
    let missing = build(&engine, &["-q", "--no-cache", "-"], alone.as_bytes());
    assert!(
        missing.err.contains("secret token: not found"),
        "{missing:?}"
    );
    let archive = engine.dir().join("image.tar");
    let dest = format!("type=docker,dest={}", archive.display());
    let words = ["-q", "-o", &dest, "-t", "saved:1", "--secret", &secret, "-"];
    build(&engine, &words, alone.as_bytes()).ok();
    let docker = engine.stock_docker();
    docker.run(&["rmi", "saved:1"]).ok();
    let loaded = docker
        .run(&["load", "-i", &archive.display().to_string()])
        .ok();
    assert!(loaded.contains("saved:1"), "{loaded}");
    engine.clean();
    engine.finish();
}

#[test]
fn a_dockerfile_is_checked_and_drawn_without_an_engine() {
    let engine = Engine::start();
    let text = "FROM BASE AS Base\nRUN true\nFROM scratch\nCOPY --from=Base /a /\n";
    let root = context(&engine, "drawn", &[("Dockerfile", text)]);
    let root = root.to_str().expect("text");
    let checked = build(&engine, &["--check", root], &[]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(
        checked
            .out
            .starts_with("Check complete, 1 warning has been found!\n"),
        "{checked:?}"
    );
    assert!(checked.out.contains("StageNameCasing"), "{checked:?}");
    let drawn = build(&engine, &["--graph", root], &[]).ok();
    assert!(
        drawn.contains("* stage-1 from scratch, needs base"),
        "{drawn}"
    );
    let dot = build(&engine, &["--graph=dot", root], &[]).ok();
    assert!(dot.starts_with("digraph build {"), "{dot}");
    engine.finish();
}
