//! Builds whose input is not sent by the client: repositories and files at addresses, as contexts and
//! by `ADD`, and named contexts. Proved on dockerd 28.5 but for the doors that it does not have.

mod contexts;
mod repositories;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Answer, Engine, eventually, programs};

/// Repositories and files in the engine's network; it is ended when it is dropped.
struct Server {
    child: Child,
    at: String,
    folder: PathBuf,
    asked: PathBuf,
}

impl Server {
    fn start(engine: &Engine) -> Self {
        let folder = engine.dir().join("served");
        fs::create_dir_all(&folder).expect("a folder");
        repository(&folder);
        let (script, said) = (engine.dir().join("server.py"), engine.dir().join("port"));
        let asked = engine.dir().join("asked");
        fs::write(&script, include_str!("remote/server.py")).expect("a script");
        fs::write(&asked, "").expect("a log");
        let mut command: Command = engine.on_host(&programs::python().to_string_lossy());
        let child = command.arg(script).arg(&said).arg(&asked).arg(&folder);
        let child = child.stdin(Stdio::null()).spawn().expect("python runs");
        let port: u16 = eventually("the server listens", Duration::from_secs(30), || {
            fs::read_to_string(&said).ok()?.trim().parse().ok()
        });
        Self {
            child,
            at: format!("http://127.0.0.1:{port}"),
            folder,
            asked,
        }
    }

    /// How often a repository was fetched since the last time.
    fn fetched(&self) -> usize {
        let text = fs::read_to_string(&self.asked).expect("a log");
        fs::write(&self.asked, "").expect("a log");
        text.lines().filter(|line| line.contains("POST")).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args(["-c", "protocol.file.allow=always"])
        .args(args);
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "n");
        command.env(format!("GIT_{who}_EMAIL"), "e@h");
        command.env(format!("GIT_{who}_DATE"), "1000000000 +0000");
    }
    let done = command.output();
    let done = done.expect("git is not installed: run `cargo xtask test`");
    assert!(done.status.success(), "{args:?}: {done:?}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// `x.git`: the branch `main` with the submodule `mod` and the directory `sub`, the branch `dev`, and
/// the tag `v1` of the first commit.
fn repository(folder: &Path) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("a folder");
        fs::write(path, text.replace("BASE", BUSYBOX)).expect("a file");
    };
    let commit = |name: &str| {
        git(folder, &["-C", name, "add", "."]);
        git(folder, &["-C", name, "commit", "-q", "-m", "m"]);
    };
    git(folder, &["init", "-q", "-b", "main", "lib"]);
    write("lib/lib.txt", "lib\n");
    commit("lib");
    git(folder, &["clone", "-q", "--bare", "lib", "lib.git"]);
    git(folder, &["init", "-q", "-b", "main", "x"]);
    write("x/Dockerfile", "FROM BASE\nCOPY . /in/\n");
    write("x/a.txt", "one\n");
    write("x/.dockerignore", "a.txt\n");
    write("x/sub/Dockerfile", "FROM BASE\nCOPY . /in/\n");
    write("x/sub/b.txt", "b\n");
    write("x/run.sh", "#!/bin/sh\n");
    git(
        folder,
        &["-C", "x", "update-index", "--add", "--chmod=+x", "run.sh"],
    );
    std::os::unix::fs::symlink("/etc", folder.join("x/out")).expect("a link");
    std::os::unix::fs::symlink("sub", folder.join("x/link")).expect("a link");
    git(folder, &["-C", "x", "config", "core.fileMode", "false"]);
    commit("x");
    git(folder, &["-C", "x", "tag", "-a", "-m", "t", "v1"]);
    git(folder, &["-C", "x", "checkout", "-q", "-b", "dev"]);
    write("x/dev.txt", "dev\n");
    commit("x");
    git(folder, &["-C", "x", "checkout", "-q", "main"]);
    git(
        folder,
        &[
            "-C",
            "x",
            "submodule",
            "--quiet",
            "add",
            "../lib.git",
            "mod",
        ],
    );
    commit("x");
    git(folder, &["clone", "-q", "--bare", "x", "x.git"]);
}

fn buildx(engine: &Engine, words: &[&str]) -> Answer {
    let line = [&["buildx", "build", "--progress=plain"], words].concat();
    engine.stock_docker().run(&line)
}

/// A folder with a Dockerfile.
fn folder(engine: &Engine, text: &str) -> String {
    let root = engine.dir().join("context");
    fs::create_dir_all(&root).expect("a folder");
    let text = text.replace("BASE", BUSYBOX);
    fs::write(root.join("Dockerfile"), text).expect("a file");
    root.to_str().expect("a name").to_owned()
}

/// The files of an image beneath a directory: names, modes, owners, contents; no times.
fn files(engine: &Engine, image: &str, directory: &str) -> String {
    let look = format!(
        "cd {directory} && find . ! -name .git | sort | while read f; do \
         stat -c '%n %A %u:%g' $f; [ -f $f ] && [ ! -L $f ] && cat $f; done; true"
    );
    engine
        .docker()
        .run(&["run", "--rm", image, "sh", "-c", &look])
        .ok()
}

/// `POST /build?remote=…`, as clients of the classic builder send it.
fn classic(engine: &Engine, remote: &str, more: &str) -> (u16, String) {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let path = format!("/v1.43/build?t=made&remote={}{more}", encode(remote));
    let answer = Http::connect(&engine.socket()).call("POST", &path, "");
    (
        answer.status,
        String::from_utf8_lossy(&answer.body).into_owned(),
    )
}
