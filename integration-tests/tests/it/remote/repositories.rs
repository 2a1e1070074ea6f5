//! Repositories: contexts at git addresses, and `ADD` of them.

use std::fs;
use std::path::Path;

use integration_tests::Engine;
use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;

use super::{Server, buildx, classic, files, folder, git};

const MAIN: &str = "\
. drwxr-xr-x 0:0
./.dockerignore -rw-r--r-- 0:0
a.txt
./.gitmodules -rw-r--r-- 0:0
[submodule \"mod\"]
	path = mod
	url = ../lib.git
./Dockerfile -rw-r--r-- 0:0
FROM BASE
COPY . /in/
./a.txt -rw-r--r-- 0:0
one
./link lrwxrwxrwx 0:0
./mod drwxr-xr-x 0:0
./mod/lib.txt -rw-r--r-- 0:0
lib
./out lrwxrwxrwx 0:0
./run.sh -rwxr-xr-x 0:0
#!/bin/sh
./sub drwxr-xr-x 0:0
./sub/Dockerfile -rw-r--r-- 0:0
FROM BASE
COPY . /in/
./sub/b.txt -rw-r--r-- 0:0
b";

#[test]
fn a_repository_is_a_context() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let at = format!("{}/x.git", server.at);
    let main = MAIN.replace("BASE", BUSYBOX);
    buildx(&engine, &["-t", "made", &at]).ok();
    assert_eq!(files(&engine, "made", "/in"), main);
    for (rest, wanted) in [
        ("#dev", "./dev.txt"),
        ("#main:sub", "./b.txt"),
        ("?branch=dev&subdir=sub", "./b.txt"),
        ("#v1", "./a.txt"),
        ("#:sub/../..", "./a.txt"),
    ] {
        buildx(&engine, &["-t", "made", &format!("{at}{rest}")]).ok();
        let list = files(&engine, "made", "/in");
        assert!(list.contains(wanted), "{rest}: {list}");
        assert_eq!(list.contains("./dev.txt"), rest == "#dev", "{rest}: {list}");
    }
    let keep = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1";
    buildx(
        &engine,
        &["-t", "made", "--build-arg", keep, &format!("{at}#v1")],
    )
    .ok();
    let look = ["run", "--rm", "made", "cat", "/in/.git/HEAD"];
    let head = git(&server.folder, &["-C", "x", "rev-parse", "v1^{}"]);
    assert_eq!(engine.docker().run(&look).ok().trim(), head);
    // A Dockerfile of the client's own.
    let text = format!("FROM {BUSYBOX}\nCOPY sub/b.txt /own\n");
    let line = ["buildx", "build", "-q", "-t", "made", "-f", "-", &at];
    engine.stock_docker().run_with(&line, text.as_bytes()).ok();
    let look = ["run", "--rm", "made", "cat", "/own"];
    assert_eq!(engine.docker().run(&look).ok(), "b");
    if engine.kind() == Kind::Gantry {
        let (status, told) = classic(&engine, &at, "");
        assert!(
            status == 200 && told.contains("Successfully built"),
            "{told}"
        );
        assert_eq!(files(&engine, "made", "/in"), main);
        let (_, told) = classic(&engine, &format!("{at}#none"), "");
        assert!(
            told.contains("repository does not contain ref none"),
            "{told}"
        );
    }
    drop(server);
    engine.finish();
}

#[test]
fn repositories_are_added() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let at = format!("{}/x.git", server.at);
    let dev = git(&server.folder, &["-C", "x", "rev-parse", "dev"]);
    let text = format!(
        "FROM BASE\n\
         ADD {at} /in\n\
         ADD {at}#{dev}:sub /commit\n\
         ADD --chown=3:4 --chmod=700 {at}#v1:sub /owned/deep\n\
         ADD --keep-git-dir=true {at}#v1 /kept\n\
         ADD --checksum={} {at}#dev /checked\n\
         ADD --exclude=sub --exclude=*.txt {at}#dev /less\n",
        &dev[..7],
    );
    // The stable channel of the stock frontend has no `--exclude`.
    let text = match engine.kind() {
        Kind::Stock => text
            .lines()
            .filter(|line| !line.contains("exclude"))
            .collect::<Vec<_>>()
            .join("\n"),
        Kind::Gantry => text,
    };
    let root = folder(&engine, &text);
    buildx(&engine, &["-t", "made", &root]).ok();
    assert_eq!(files(&engine, "made", "/in"), MAIN.replace("BASE", BUSYBOX));
    assert!(files(&engine, "made", "/commit").contains("./b.txt -rw-r--r-- 0:0"));
    let owned = files(&engine, "made", "/owned");
    assert!(owned.contains("./deep drwx------ 3:4\n"), "{owned}");
    assert!(owned.contains("./deep/b.txt -rwx------ 3:4\n"), "{owned}");
    let look = ["run", "--rm", "made", "cat", "/kept/.git/config"];
    assert!(engine.docker().run(&look).ok().contains(&at));
    assert!(files(&engine, "made", "/checked").contains("./dev.txt"));
    if engine.kind() == Kind::Gantry {
        let less = files(&engine, "made", "/less");
        for (name, is_there) in [("./sub", false), ("./a.txt", false), ("./run.sh", true)] {
            assert_eq!(less.contains(name), is_there, "{name}: {less}");
        }
    }
    // The commit is the key: nothing is fetched again.
    server.fetched();
    let again = buildx(&engine, &[&root]);
    assert_eq!(again.code, 0, "{again:?}");
    if engine.kind() == Kind::Gantry {
        let fetched = server.fetched();
        // The names of branches are asked for by the same method: once each, but for the commit's.
        assert!(fetched < 10, "{fetched}");
    }
    let cached = again
        .err
        .lines()
        .filter(|line| line.ends_with(" CACHED"))
        .count();
    assert!(cached >= 5, "{}", again.err);
    drop(server);
    engine.finish();
}

#[test]
fn what_is_no_repository_is_told() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let at = format!("{}/x.git", server.at);
    let mark = engine.dir().join("mark");
    let table = [
        (format!("{at}#none"), "repository does not contain ref none"),
        (
            format!("{at}#--upload-pack=touch${{IFS}}{}", mark.display()),
            "invalid git ref",
        ),
        (format!("{at}#main:none"), "invalid subdir /none"),
        (format!("{at}#main:out"), "invalid subdir /out"),
        (format!("{at}#main:link"), "invalid subdir /link"),
        (format!("{at}?foo=1"), "unexpected query \"foo\""),
        (format!("{at}?branch=a&tag=b"), "branch conflicts with tag"),
        (format!("{}/none.git", server.at), "not found"),
        ("git@127.0.0.1:x.git".to_owned(), "ssh forward key default"),
    ];
    for (address, said) in &table {
        let root = folder(&engine, &format!("FROM BASE\nADD {address} /x\n"));
        let told = buildx(&engine, &[&root]);
        assert_ne!(told.code, 0, "{address}");
        assert!(told.err.contains(said), "{address}: {}", told.err);
    }
    for (checksum, said) in [
        ("0000000", "expected checksum to match 0000000, got "),
        (
            "sha256:00000000000000000000000000000000",
            "expected hex commit hash",
        ),
    ] {
        let text = format!("FROM BASE\nADD --checksum={checksum} {at}#dev /x\n");
        let told = buildx(&engine, &[&folder(&engine, &text)]);
        assert!(told.code != 0 && told.err.contains(said), "{}", told.err);
    }
    assert!(!mark.exists());
    if engine.kind() == Kind::Gantry {
        // Stock lets `ssh` see it.
        let root = folder(
            &engine,
            "FROM BASE\nADD ssh://-oProxyCommand=touch/x.git /x\n",
        );
        let told = buildx(&engine, &[&root]);
        assert!(told.err.contains("invalid git address"), "{}", told.err);
    }
    // A repository that wants a token.
    let private = format!("{}/private/x.git", server.at);
    let root = folder(&engine, &format!("FROM BASE\nADD {private}#v1 /x\n"));
    let told = buildx(&engine, &[&root]);
    assert_ne!(told.code, 0, "{told:?}");
    let token = engine.dir().join("token");
    fs::write(&token, "hidden").expect("a file");
    let secret = format!("id=GIT_AUTH_TOKEN,src={}", token.display());
    let told = buildx(&engine, &["--secret", &secret, &root]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(
        !told.err.contains("hidden") && !told.err.contains("eC1hY2"),
        "{}",
        told.err
    );
    drop(server);
    engine.finish();
}

#[test]
fn without_git_it_is_said_what_to_install() {
    let mut engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // It looks for the program when it starts, and knows no repositories then.
        return engine.finish();
    }
    let server = Server::start(&engine);
    // What starts the engine is all that is found on the host.
    let path = engine.dir().join("path");
    fs::create_dir_all(&path).expect("a folder");
    let places = ["/usr/bin/nsenter", "/bin/nsenter"].map(Path::new);
    let nsenter = places.into_iter().find(|path| path.exists());
    let nsenter = nsenter.expect("nsenter is installed");
    std::os::unix::fs::symlink(nsenter, path.join("nsenter")).expect("a link");
    engine.stop_daemon();
    engine.start_daemon_with(&[("PATH", path.to_str().expect("a name"))]);
    let text = format!("FROM BASE\nADD {}/x.git /x\n", server.at);
    let told = buildx(&engine, &[&folder(&engine, &text)]);
    let said = "install git on the engine's host";
    assert!(told.code != 0 && told.err.contains(said), "{}", told.err);
    drop(server);
    engine.finish();
}
