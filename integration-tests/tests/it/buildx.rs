//! `docker build` by the stock command line and buildx, through `POST /grpc` and `POST /session`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;
use integration_tests::{Answer, Engine, eventually, leaks};

mod contexts;

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
    let docker = engine.stock_docker();
    let line = [&["buildx", "build", "--progress=plain"], words].concat();
    docker.run_with(&line, stdin)
}

/// What plain progress says, without numbers, times, bytes and digests, in order of names.
fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.code, 0, "{answer:?}");
    let mut told: Vec<String> = answer
        .err
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once(' '))
        .map(|(_, text)| text)
        .filter(|text| text.starts_with('[') || text.starts_with("exporting to "))
        .map(str::to_owned)
        .collect();
    told.sort();
    told.dedup();
    told
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a text file")
}

#[test]
fn a_build_is_told_as_buildkit_tells_it_and_cached() {
    let engine = Engine::start();
    let root = context(
        &engine,
        "context",
        &[
            (
                "Dockerfile",
                "FROM BASE\nARG X=1\nRUN echo hello && echo wrong >&2\n\
                 COPY a.txt sub /data/\nLABEL a=b\nCMD [\"cat\", \"/data/b\"]\n",
            ),
            ("a.txt", "aaa\n"),
            ("sub/b", "bbb\n"),
            ("ignored", "big"),
            (".dockerignore", "ignored\n"),
        ],
    );
    let root = root.to_str().expect("text");
    let (iid, metadata) = (engine.dir().join("iid"), engine.dir().join("metadata"));
    let files = [
        format!("--iidfile={}", iid.display()),
        format!("--metadata-file={}", metadata.display()),
    ];
    let first = build(
        &engine,
        &[
            "-t",
            "built:1",
            "--build-arg",
            "X=2",
            &files[0],
            &files[1],
            root,
        ],
        b"",
    );
    let from = format!("[1/3] FROM docker.io/library/{BUSYBOX}");
    let names = [
        from.as_str(),
        "[2/3] RUN echo hello && echo wrong >&2",
        "[3/3] COPY a.txt sub /data/",
        "[internal] load .dockerignore",
        "[internal] load build context",
        "[internal] load build definition from Dockerfile",
        &format!("[internal] load metadata for docker.io/library/{BUSYBOX}"),
        "exporting to image",
    ];
    assert_eq!(told(&first), names, "{}", first.err);
    for said in [" hello", " wrong", "naming to docker.io/library/built:1"] {
        assert!(first.err.contains(said), "{}", first.err);
    }
    let docker = engine.stock_docker();
    let id = docker
        .run(&["image", "inspect", "-f", "{{.Id}}", "built:1"])
        .ok();
    assert_eq!(text(&iid), id);
    let metadata: serde_json::Value = serde_json::from_str(&text(&metadata)).expect("JSON");
    assert_eq!(metadata["containerimage.config.digest"], id.as_str());
    assert_eq!(metadata["image.name"], "docker.io/library/built:1");
    assert_eq!(docker.run(&["run", "--rm", "built:1"]).ok(), "bbb");

    let second = build(&engine, &["--build-arg", "X=2", root], b"");
    let cached = second.err.matches(" CACHED\n").count();
    assert!(
        cached >= 2 && !second.err.contains(" wrong\n"),
        "{}",
        second.err
    );
    let fresh = build(&engine, &["--no-cache", "--build-arg", "X=2", root], b"");
    assert!(fresh.err.contains(" hello"), "{}", fresh.err);
    engine.finish();
}

#[test]
fn faults_show_the_lines_that_are_to_blame() {
    let engine = Engine::start();
    let root = context(
        &engine,
        "context",
        &[
            ("exit", "FROM BASE\nRUN echo boo; exit 3\n"),
            ("word", "FROM BASE\nRUNN true\n"),
            ("file", "FROM BASE\nCOPY nothere /\n"),
            ("casing", "FROM BASE AS Foo\nENV a b\n"),
        ],
    );
    let root = root.to_str().expect("text");
    for (file, said) in [
        (
            "exit",
            &[
                ">>> RUN echo boo; exit 3",
                "ERROR: failed to build: failed to solve: process \"/bin/sh -c echo boo; exit 3\" \
                 did not complete successfully: exit code: 3",
            ][..],
        ),
        (
            "word",
            &[
                "word:2\n",
                "   2 | >>> RUNN true\n",
                "failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
            ],
        ),
        ("file", &[">>> COPY nothere /", "\"/nothere\": not found"]),
    ] {
        let path = format!("{root}/{file}");
        let answer = build(&engine, &["-f", &path, root], b"");
        assert_eq!(answer.code, 1, "{answer:?}");
        for said in said {
            assert!(answer.err.contains(said), "{said:?} in {}", answer.err);
        }
    }
    let casing = format!("{root}/casing");
    let warned = build(&engine, &["-f", &casing, root], b"");
    let said = "StageNameCasing: Stage name 'Foo' should be lowercase (line 1)";
    assert!(warned.code == 0 && warned.err.contains(said), "{warned:?}");
    let checked = build(&engine, &["--check", "-f", &casing, root], b"");
    assert_eq!(checked.code, 1, "{checked:?}");
    for said in [
        "2 warnings have been found",
        "LegacyKeyValueFormat",
        ">>> ENV a b",
    ] {
        assert!(checked.out.contains(said), "{said:?} in {checked:?}");
    }
    engine.finish();
}

#[test]
fn files_come_from_stdin_and_other_folders_and_go_to_the_client() {
    let engine = Engine::start();
    let root = context(
        &engine,
        "context",
        &[
            (
                "Dockerfile",
                "FROM scratch\nCOPY --from=other n.txt /\nCOPY a /\nCOPY a /above/deep/a\n",
            ),
            ("a", "aaa\n"),
        ],
    );
    let other = context(&engine, "other", &[("n.txt", "nnn\n")]);
    let named = format!("other={}", other.display());
    let out = engine.dir().join("out");
    let local = format!("type=local,dest={}", out.display());
    let words = [
        "--build-context",
        &named,
        "-o",
        &local,
        root.to_str().expect("text"),
    ];
    build(&engine, &words, b"").ok();
    assert_eq!(text(&out.join("n.txt")), "nnn\n");
    assert_eq!(text(&out.join("a")), "aaa\n");
    assert_eq!(text(&out.join("above/deep/a")), "aaa\n");

    let tarball = engine.dir().join("out.tar");
    let tar = format!("type=tar,dest={}", tarball.display());
    let words = ["-f", "-", "-o", &tar, root.to_str().expect("text")];
    build(&engine, &words, b"FROM scratch\nCOPY a /deep/a\n").ok();
    let bytes = fs::read(&tarball).expect("the tarball");
    let mut archive = tar::Archive::new(bytes.as_slice());
    let names: Vec<_> = archive
        .entries()
        .expect("a tar")
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .expect("a path")
                .into_owned()
        })
        .collect();
    assert!(names.contains(&PathBuf::from("deep/a")), "{names:?}");

    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", &other).expect("packed");
    let dockerfile = b"FROM scratch\nCOPY n.txt /fromstdin\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len().try_into().expect("small"));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive
        .append_data(&mut header, "Dockerfile", &dockerfile[..])
        .expect("packed");
    let stdin = archive.into_inner().expect("packed");
    build(&engine, &["-o", &local, "-"], &stdin).ok();
    assert_eq!(text(&out.join("fromstdin")), "nnn\n");
    engine.finish();
}

#[test]
fn secrets_are_seen_by_the_step_and_by_nobody_else() {
    let engine = Engine::start();
    let root = context(
        &engine,
        "context",
        &[(
            "Dockerfile",
            "FROM BASE\nRUN --mount=type=secret,id=s,required=true wc -c < /run/secrets/s\n\
             RUN test ! -s /run/secrets/s\n",
        )],
    );
    let root = root.to_str().expect("text");
    let secret = engine.dir().join("secret");
    fs::write(&secret, "s3cret-words").expect("a secret");
    let source = format!("id=s,src={}", secret.display());
    let answer = build(&engine, &["-t", "secret:1", "--secret", &source, root], b"");
    assert!(
        answer.code == 0 && answer.err.contains(" 12\n"),
        "{answer:?}"
    );
    let docker = engine.stock_docker();
    let history = docker.run(&["history", "--no-trunc", "secret:1"]).ok();
    assert!(!history.contains("s3cret"), "{history}");
    let answer = build(&engine, &["--no-cache", root], b"");
    assert!(
        answer.code == 1 && answer.err.contains("secret s: not found"),
        "{answer:?}"
    );
    engine.finish();
}

#[test]
fn a_client_that_goes_away_ends_its_build() {
    let engine = Engine::start();
    // Found on the whole machine, where others may run the same test.
    let sleep = format!("sleep {}", 90_000_000 + std::process::id());
    let text = format!("FROM BASE\nRUN touch /begun; {sleep}\n");
    let root = context(&engine, "context", &[("Dockerfile", &text)]);
    let docker = engine.stock_docker();
    let words = [
        "buildx",
        "build",
        "--progress=plain",
        root.to_str().expect("text"),
    ];
    let mut command = docker.command(&words);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("docker runs");
    let sleepers = || leaks::commands(&sleep);
    eventually("the step", Duration::from_secs(30), || {
        (sleepers() > 0).then_some(())
    });
    // The plug-in is the child of the command line, and ends with it.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    eventually("the end of the step", Duration::from_secs(10), || {
        (sleepers() == 0).then_some(())
    });
    child.wait().expect("it has ended");
    engine.finish();
}

#[test]
fn what_a_client_allows_and_asks_beside_the_file_counts() {
    let engine = Engine::start();
    let text = "FROM BASE\nRUN hostname > /name\nRUN --network=host cat /name\n";
    let root = context(&engine, "asked", &[("Dockerfile", text)]);
    let root = root.to_str().expect("text");
    let refused = build(&engine, &[root], &[]);
    assert_ne!(refused.code, 0);
    assert!(
        refused.err.contains("network.host is not allowed"),
        "{refused:?}"
    );
    let refused = build(&engine, &["--allow", "security.insecure", root], &[]);
    let words =
        "granting entitlement security.insecure is not allowed by build daemon configuration";
    assert!(refused.err.contains(words), "{refused:?}");
    let named = "BUILDKIT_SANDBOX_HOSTNAME=chosen";
    let words = ["--allow", "network.host", "--build-arg", named, root];
    let built = build(&engine, &words, &[]);
    assert_eq!(built.code, 0, "{built:?}");
    assert!(built.err.contains(" chosen\n"), "{built:?}");
    engine.finish();
}

#[test]
fn an_image_carries_the_cache_of_its_steps() {
    let engine = Engine::start();
    let text = "FROM BASE\nRUN head -c 1000 /dev/urandom > /random\nCOPY a /\n";
    let root = context(&engine, "inline", &[("Dockerfile", text), ("a", "aaa\n")]);
    let root = root.to_str().expect("text");
    let inline = [
        "--build-arg=BUILDKIT_INLINE_CACHE=1",
        "-t",
        "carrier:1",
        root,
    ];
    assert_eq!(build(&engine, &inline, &[]).code, 0);
    let docker = engine.stock_docker();
    docker.run(&["buildx", "prune", "-af"]).ok();
    if engine.kind() == Kind::Stock {
        // Stock reads a cache from a registry alone.
        return engine.finish();
    }
    let again = build(&engine, &["--cache-from=carrier:1", root], &[]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(again.err.matches(" CACHED").count(), 3, "{again:?}");
    docker.run(&["buildx", "prune", "-af"]).ok();
    let plain = build(&engine, &["--cache-from=busybox:it", root], &[]);
    assert_eq!(plain.code, 0, "a cache that cannot be had fails no build");
    assert!(plain.err.contains("holds no cache"), "{plain:?}");
    engine.finish();
}
