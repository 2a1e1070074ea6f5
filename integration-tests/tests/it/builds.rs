//! Builds through the classic door, by the stock command line and docker-py.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use integration_tests::client::{Answer, finish};
use integration_tests::engine::Kind;
use integration_tests::{Engine, eventually, programs};

/// A directory with files; the last part of a name may be a directory's.
fn context(engine: &Engine, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = engine.dir().join(name);
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    root
}

/// `docker build` without BuildKit.
fn build(engine: &Engine, context: &PathBuf, args: &[&str]) -> Answer {
    let words = [&["build"], args, &["."]].concat();
    let mut command = engine.stock_docker().command(&words);
    command.env("DOCKER_BUILDKIT", "0").current_dir(context);
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().expect("docker runs"), &words)
}

const STAGES: &str = "FROM busybox:it AS one\n\
    ARG WHO=nobody\n\
    RUN echo made for $WHO > /one && mkdir /tree && ln -s ../one /tree/link\n\
    FROM busybox:it\n\
    ENV GREETING=hello\n\
    WORKDIR /work\n\
    COPY --from=one /one one\n\
    COPY --chown=1:2 src/ ./src/\n\
    LABEL from=the-file\n\
    USER nobody\n\
    CMD [\"cat\", \"one\"]\n";

#[test]
fn stages_are_built_and_told_in_the_classic_words() {
    let engine = Engine::start();
    let files = [
        ("Dockerfile", STAGES),
        (".dockerignore", "src/left-out\n"),
        ("src/kept", "kept\n"),
        ("src/left-out", "secret\n"),
    ];
    let root = context(&engine, "stages", &files);
    let args = ["--build-arg", "WHO=me", "--label", "more=1", "-t", "made:1"];
    let told = build(&engine, &root, &args).ok();
    assert!(
        told.contains("Step 1/1") && told.contains(" : FROM busybox:it"),
        "{told}"
    );
    assert!(told.contains(" ---> Running in "), "{told}");
    assert!(told.contains("Successfully built "), "{told}");
    assert!(told.ends_with("Successfully tagged made:1"), "{told}");
    let docker = engine.stock_docker();
    assert_eq!(docker.run(&["run", "--rm", "made:1"]).ok(), "made for me");
    let list = ["run", "--rm", "made:1", "ls", "-ln", "src"];
    let list = docker.run(&list).ok();
    assert!(
        list.contains("kept") && !list.contains("left-out"),
        "{list}"
    );
    let owner: Vec<&str> = list
        .lines()
        .last()
        .expect("a file")
        .split_whitespace()
        .collect();
    assert_eq!(owner[2..4], ["1", "2"], "{list}");
    let format = "{{.Config.WorkingDir}} {{.Config.User}} {{index .Config.Labels \"more\"}}";
    let shown = docker
        .run(&["image", "inspect", "-f", format, "made:1"])
        .ok();
    assert_eq!(shown, "/work nobody 1");
    let again = build(&engine, &root, &args).ok();
    assert!(again.contains(" ---> Using cache"), "{again}");
    assert!(!again.contains(" ---> Running in "), "{again}");
    let fresh = build(&engine, &root, &["--no-cache", "--build-arg", "WHO=me"]).ok();
    assert!(fresh.contains(" ---> Running in "), "{fresh}");
    let quiet = build(&engine, &root, &["-q", "--build-arg", "WHO=me"]).ok();
    assert!(quiet.starts_with("sha256:"), "{quiet}");
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "", "nothing is listed");
    engine.finish();
}

#[test]
fn faults_are_told_with_their_codes() {
    let engine = Engine::start();
    let table = [
        (
            "FROM busybox:it\nRUN exit 7\n",
            "returned a non-zero code: 7",
        ),
        ("FROM busybox:it\nCOPY nowhere /\n", "nowhere"),
        (
            "FROM busybox:it\nNONSENSE\n",
            "unknown instruction: NONSENSE",
        ),
        ("FROM busybox:it\nUSER nosuch\nRUN true\n", "nosuch"),
    ];
    for (number, (text, expected)) in table.into_iter().enumerate() {
        let root = context(&engine, &format!("fault-{number}"), &[("Dockerfile", text)]);
        let answer = build(&engine, &root, &[]);
        assert_ne!(answer.code, 0, "{text}");
        let told = format!("{}{}", answer.out, answer.err);
        assert!(told.contains(expected), "{text}: {told}");
    }
    engine.clean();
    engine.finish();
}

/// What stock's classic builder refuses, or passes over in silence.
#[test]
fn the_classic_door_speaks_the_modern_language() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let text = "# syntax=docker/dockerfile:1\n\
        FROM busybox:it AS base\n\
        RUN --mount=type=cache,target=/kept echo first >> /kept/log\n\
        RUN --mount=type=cache,target=/kept --network=none cat /kept/log > /log\n\
        FROM scratch AS files\n\
        COPY <<one <<two /docs/\n1\none\n2\ntwo\n\
        FROM base\n\
        COPY --from=files --chmod=640 --exclude=two /docs /docs\n\
        RUN --mount=type=bind,from=files,source=/docs,target=/seen \\\n\
        --mount=type=tmpfs,target=/gone <<end\n\
        cp /seen/two /two\n\
        echo lost > /gone/file\n\
        end\n\
        RUN test ! -e /seen && test ! -e /gone && test ! -e /kept\n";
    let root = context(&engine, "modern", &[("Dockerfile", text)]);
    build(&engine, &root, &["-t", "modern:1"]).ok();
    let docker = engine.stock_docker();
    let shown = [
        "run",
        "--rm",
        "modern:1",
        "sh",
        "-c",
        "cat /log /two; ls /docs; stat -c %a /docs/one",
    ];
    assert_eq!(docker.run(&shown).ok(), "first\n2\none\n640");
    engine.finish();
}

#[test]
fn a_client_that_goes_takes_its_build_along() {
    let engine = Engine::start();
    let text = "FROM busybox:it\nRUN echo begun && sleep 1000\n";
    let root = context(&engine, "gone", &[("Dockerfile", text)]);
    let mut command = engine.stock_docker().command(&["build", "."]);
    command.env("DOCKER_BUILDKIT", "0").current_dir(&root);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("docker runs");
    let out = child.stdout.take().expect("a pipe");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
    let begun = lines.any(|line| line.expect("a line") == "begun");
    assert!(begun, "the program has told that it runs");
    child.kill().expect("docker is killed");
    child.wait().expect("docker ends");
    if engine.kind() == Kind::Gantry {
        eventually("the program is gone", Duration::from_secs(5), || {
            let left = std::fs::read_dir(engine.exec_root().join("build/programs"));
            let left = left.map_or(0, Iterator::count);
            let steps = std::fs::read_dir(engine.exec_root().join("build/steps"));
            (left + steps.map_or(0, Iterator::count) == 0).then_some(())
        });
    }
    engine.finish();
}

#[test]
fn the_cache_is_shown_kept_over_a_restart_and_pruned() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // Stock's classic builder has no cache but its images.
        return engine.finish();
    }
    let text = "FROM busybox:it\nRUN head -c 100000 /dev/zero > /big\n";
    let root = context(&engine, "cache", &[("Dockerfile", text)]);
    let first = build(&engine, &root, &["-q", "-t", "cached:1"]).ok();
    let docker = engine.stock_docker();
    docker.run(&["rmi", "cached:1"]).ok();
    engine.kill_daemon();
    engine.start_daemon();
    let shown = docker
        .run(&[
            "system",
            "df",
            "--format",
            "{{.Type}} {{.TotalCount}} {{.Size}}",
        ])
        .ok();
    // Blocks of the disk, which are more than the content's bytes.
    let cache = shown
        .lines()
        .find_map(|line| line.strip_prefix("Build Cache 1 "));
    let size = cache.and_then(|size| size.strip_suffix("kB")?.parse::<f64>().ok());
    assert!(
        size.is_some_and(|size| (100.0..200.0).contains(&size)),
        "{shown}"
    );
    let again = build(&engine, &root, &["-t", "cached:1"]).ok();
    assert!(again.contains(" ---> Using cache"), "{again}");
    let id = docker
        .run(&["image", "inspect", "-f", "{{.Id}}", "cached:1"])
        .ok();
    assert_eq!(id, first, "the same steps make the same image");
    docker.run(&["rmi", "cached:1"]).ok();
    let words = ["builder", "prune", "-f"];
    let mut command = docker.command(&words);
    command.env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let pruned = finish(command.spawn().expect("docker runs"), &words);
    assert!(
        format!("{}{}", pruned.out, pruned.err).contains("100kB"),
        "{pruned:?}"
    );
    let layers = std::fs::read_dir(engine.data_root().join("image/layers")).expect("layers");
    assert_eq!(
        layers.count(),
        docker.run(&["images", "-q"]).ok().lines().count()
    );
    engine.finish();
}

#[test]
fn docker_py_builds_from_a_file_object() {
    let engine = Engine::start();
    let script = "import io, docker\n\
        client = docker.from_env()\n\
        text = io.BytesIO(b'FROM busybox:it\\nRUN echo hi > /hi\\nCMD cat /hi\\n')\n\
        image, lines = client.images.build(fileobj=text, tag='py:1', rm=True)\n\
        assert 'py:1' in image.tags, image.tags\n\
        assert any('Successfully built' in line.get('stream', '') for line in lines)\n\
        assert client.containers.run('py:1', remove=True) == b'hi\\n'\n\
        try:\n\
        \x20   client.images.build(fileobj=io.BytesIO(b'FROM busybox:it\\nRUN false\\n'))\n\
        \x20   raise SystemExit('it must fail')\n\
        except docker.errors.BuildError as error:\n\
        \x20   assert 'non-zero code: 1' in error.msg, error.msg\n";
    let mut python = std::process::Command::new(programs::python());
    python.args(["-c", script]);
    python.env(
        "DOCKER_HOST",
        format!("unix://{}", engine.socket().display()),
    );
    let output = python.output().expect("python runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    engine.clean();
    engine.finish();
}

#[test]
fn archives_are_added_unpacked() {
    let engine = Engine::start();
    let text = "FROM busybox:it\nADD a.tar.gz /x/\nADD plain.gz /x/\nRUN cat /x/d/f && ls /x\n";
    let root = context(
        &engine,
        "archive",
        &[("Dockerfile", text), ("d/f", "packed\n")],
    );
    for (program, args) in [
        ("tar", &["-czf", "a.tar.gz", "d"][..]),
        ("sh", &["-c", "gzip < d/f > plain.gz"]),
    ] {
        let mut command = std::process::Command::new(program);
        let status = command.args(args).current_dir(&root).status();
        assert!(status.expect("it runs").success());
    }
    let told = build(&engine, &root, &["-t", "added:1"]).ok();
    assert!(told.contains("packed\nd\nplain.gz\n"), "{told}");
    engine.clean();
    engine.finish();
}
