//! `ADD` of addresses, through all doors: names, modes, times, sums, what is asked again and what not.
//! Proved on dockerd 28.5 but for the door that it does not have.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration_tests::engine::Kind;
use integration_tests::{Answer, Engine, eventually, programs};

/// Files in the engine's network; it is ended when it is dropped.
struct Server {
    child: Child,
    port: u16,
    asked: PathBuf,
}

impl Server {
    fn start(engine: &Engine) -> Self {
        let (script, said) = (engine.dir().join("server.py"), engine.dir().join("port"));
        let asked = engine.dir().join("asked");
        fs::write(&script, include_str!("fetched/server.py")).expect("a script");
        fs::write(&asked, "").expect("a log");
        let mut command: Command = engine.on_host(&programs::python().to_string_lossy());
        let child = command.arg(script).arg(&said).arg(&asked);
        let child = child.stdin(Stdio::null()).spawn().expect("python runs");
        let port = eventually("the server listens", Duration::from_secs(30), || {
            fs::read_to_string(&said).ok()?.trim().parse().ok()
        });
        Self { child, port, asked }
    }

    /// What was asked since the last time: path and answer.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.asked).expect("a log");
        fs::write(&self.asked, "").expect("a log");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds a Dockerfile by buildx, or by the classic door and `gantry build`.
fn build(engine: &Engine, door: &str, text: &str, more: &[&str]) -> Answer {
    let root = engine.dir().join("context");
    fs::create_dir_all(&root).expect("a folder");
    fs::write(root.join("Dockerfile"), text).expect("a file");
    fs::write(root.join("local"), "local\n").expect("a file");
    let root = root.to_str().expect("a name");
    match door {
        "buildx" => {
            let words = ["buildx", "build", "--progress=plain"];
            engine.stock_docker().run(&[&words, more, &[root]].concat())
        }
        "classic" => {
            let words = [&["build"], more, &[root]].concat();
            let mut command = engine.stock_docker().command(&words);
            command.env("DOCKER_BUILDKIT", "0").stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            integration_tests::client::finish(command.spawn().expect("docker runs"), &words)
        }
        _ => {
            let words = ["build", "--progress=plain"];
            engine.gantry().run(&[&words, more, &[root]].concat())
        }
    }
}

/// sha256 of `hello\n`, which the server has at `/dir/hello.txt`.
const SUM: &str = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

#[test]
fn addresses_are_fetched_named_timed_and_asked_again() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let at = format!("http://127.0.0.1:{}", server.port);
    let text = format!(
        "FROM busybox:it\n\
         ADD {at}/dir/hello.txt?x=/y /in/\n\
         ADD --chmod=751 --chown=5:6 {at}/moved local /two/\n\
         ADD --checksum={SUM} {at}/dir/hello.txt /named\n\
         ADD {at}/a.tar /packed/\n\
         ADD {at}/ /top/\n"
    );
    let doors: &[&str] = match engine.kind() {
        Kind::Stock => &["buildx"],
        Kind::Gantry => &["buildx", "classic", "gantry"],
    };
    for door in doors {
        build(&engine, door, &text, &["-t", "made"]).ok();
        let look = "stat -c '%n %a %u %g %Y' /in/hello.txt /two/moved /two/local; \
                    cat /in/hello.txt /named; ls /packed /top";
        let list = ["run", "--rm", "made", "sh", "-c", look];
        let list = engine.docker().run(&list).ok();
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines[0], "/in/hello.txt 600 0 0 1000000000", "{door}");
        // Without `Last-Modified` time begins in 1970.
        assert_eq!(lines[1], "/two/moved 751 5 6 0", "{door}");
        assert!(
            lines[2].starts_with("/two/local 751 5 6 "),
            "{door}: {list}"
        );
        let rest = [
            "hello",
            "hello",
            "/packed:",
            "a.tar",
            "",
            "/top:",
            "__unnamed__",
        ];
        assert_eq!(lines[3..], rest, "{door}");
    }
    // What has not changed is not sent again.
    server.asked();
    let door = doors[0];
    let text = format!("FROM busybox:it\nADD {at}/dir/hello.txt /x\n");
    build(&engine, door, &text, &[]).ok();
    server.asked();
    let again = build(&engine, door, &text, &[]);
    assert!(again.code == 0 && again.err.contains("CACHED"), "{again:?}");
    let asked = server.asked();
    assert!(!asked.is_empty(), "the server was asked");
    assert!(
        !asked
            .iter()
            .any(|line| line.starts_with("GET") && line.ends_with(" 200")),
        "{asked:?}"
    );
    drop(server);
    engine.finish();
}

#[test]
fn what_cannot_be_fetched_is_told() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let at = format!("http://127.0.0.1:{}", server.port);
    let wrong = SUM.replace("5891", "0000");
    let table = [
        (format!("ADD {at}/nothing /x"), "404".to_owned()),
        (
            format!("ADD --checksum={wrong} {at}/dir/hello.txt /x"),
            format!("digest mismatch {SUM}: {wrong}"),
        ),
        (format!("ADD {at}/round /x"), "redirects".to_owned()),
        (
            "ADD http://127.0.0.1:1/x /x".to_owned(),
            "refused".to_owned(),
        ),
    ];
    for (line, said) in table {
        let text = format!("FROM busybox:it\n{line}\n");
        let told = build(&engine, "buildx", &text, &[]);
        assert_ne!(told.code, 0, "{line}");
        assert!(told.err.contains(&said), "{line}: {}", told.err);
    }
    drop(server);
    engine.finish();
}
