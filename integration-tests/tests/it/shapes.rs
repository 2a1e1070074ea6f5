//! Builds of real-world shape on a tree of Debian made here: a Python program with pip, a Rust one in two stages,
//! a Node one with a cache mount, and apt. Whatever they install comes from a server of the test's. Proved on
//! dockerd 28.5.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use integration_tests::engine::Kind;
use integration_tests::{Answer, Engine, eventually, programs};

/// What the engine's host is called in these builds.
const HOST: &str = "mirror";

/// Packages for pip, npm and apt, in the engine's network; it is ended when it is dropped.
struct Server {
    child: Child,
    at: String,
    asked: PathBuf,
}

impl Server {
    fn start(engine: &Engine) -> Self {
        let (script, said) = (engine.dir().join("server.py"), engine.dir().join("port"));
        let asked = engine.dir().join("asked");
        fs::write(&script, include_str!("shapes/server.py")).expect("a script");
        fs::write(&asked, "").expect("a log");
        let mut command: Command = engine.on_host(&programs::python().to_string_lossy());
        let command = command.arg(script).arg(&said).arg(&asked);
        let command = command.arg(programs::bases().join("debs"));
        let child = command.stdin(Stdio::null()).spawn().expect("python runs");
        let port: u16 = eventually("the server listens", Duration::from_secs(60), || {
            fs::read_to_string(&said).ok()?.trim().parse().ok()
        });
        Self {
            child,
            at: format!("http://{HOST}:{port}"),
            asked,
        }
    }

    /// The paths that were asked for since the last time.
    fn asked(&self) -> String {
        let text = fs::read_to_string(&self.asked).expect("a log");
        fs::write(&self.asked, "").expect("a log");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; nothing else can be done about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An engine with these base images.
fn engine_with(images: &[&str]) -> Engine {
    let engine = Engine::start();
    for name in images {
        let tar = fs::File::open(programs::bases().join(format!("{name}.tar")));
        let image = format!("{name}:it");
        let mut import = engine.docker().command(&["import", "-", &image]);
        let import = import.stdin(tar.expect("a base")).output();
        let import = import.expect("docker runs");
        assert!(import.status.success(), "{import:?}");
    }
    engine
}

/// A folder that is built, by each way that has the whole language.
struct Project<'a> {
    engine: &'a Engine,
    root: PathBuf,
    /// `--build-arg`.
    arguments: Vec<String>,
    door: &'static str,
}

impl<'a> Project<'a> {
    fn new(engine: &'a Engine, door: &'static str, files: &[(&str, &str)]) -> Self {
        let project = Self {
            engine,
            root: engine.dir().join(door),
            arguments: Vec::new(),
            door,
        };
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Writes a file anew. Tars tell whole seconds, and a compiler goes by time: what is written
    /// within a second of its last run would look old to it.
    fn change(&self, path: &str, text: &str) {
        self.write(path, text);
        let later = SystemTime::now() + Duration::from_secs(2);
        let file = fs::File::options().write(true).open(self.root.join(path));
        let changed = file.and_then(|file| file.set_modified(later));
        changed.expect("a time");
    }

    fn argument(&mut self, name: &str, value: &str) {
        self.arguments.push(format!("--build-arg={name}={value}"));
    }

    fn build(&self) -> Answer {
        let host = format!("--add-host={HOST}:host-gateway");
        let image = format!("made:{}", self.door);
        let root = self.root.to_str().expect("text");
        let mut words = vec!["build", "--progress=plain", "--tag", &image, &host];
        words.extend(self.arguments.iter().map(String::as_str));
        words.push(root);
        let answer = match self.door {
            "gantry" => self.engine.gantry().run(&words),
            _ => self.engine.stock_docker().run(&words),
        };
        assert_eq!(answer.code, 0, "{}: {answer:?}", self.door);
        answer
    }

    /// What a container of the image says.
    fn says(&self) -> String {
        let image = format!("made:{}", self.door);
        self.engine.docker().run(&["run", "--rm", &image]).ok()
    }
}

/// The ways to build that have the whole language.
fn doors(engine: &Engine) -> &'static [&'static str] {
    match engine.kind() {
        Kind::Stock => &["buildx"],
        Kind::Gantry => &["buildx", "gantry"],
    }
}

#[test]
fn a_python_program_with_its_packages_by_pip() {
    let engine = engine_with(&["debian"]);
    let server = Server::start(&engine);
    let app = "import greet\nprint(greet.greet('python'))\n";
    let files = [
        ("Dockerfile", include_str!("shapes/python.dockerfile")),
        ("requirements.txt", "greet==1.2\n"),
        ("app.py", app),
    ];
    for door in doors(&engine) {
        let mut project = Project::new(&engine, door, &files);
        project.argument("SERVER", &server.at);
        project.build();
        assert_eq!(project.says(), "hello, python", "{door}");
        server.asked();
        project.change("app.py", &app.replace("python", "snake"));
        project.build();
        assert_eq!(project.says(), "hello, snake", "{door}");
        assert_eq!(server.asked(), "", "{door}: the packages are cached");
    }
    drop(server);
    engine.clean();
    engine.finish();
}

#[test]
fn a_rust_program_in_two_stages() {
    let engine = engine_with(&["debian", "rust"]);
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{more}")
    };
    let app = package(
        "app",
        "[dependencies]\ngreet = { path = \"greet\" }\n[workspace]\n",
    );
    let main = "fn main() {\n    println!(\"{}\", greet::greet(\"rust\"));\n}\n";
    let files = [
        ("Dockerfile", include_str!("shapes/rust.dockerfile")),
        (".dockerignore", "target\nDockerfile\n"),
        ("Cargo.toml", &app),
        ("src/main.rs", main),
        ("greet/Cargo.toml", &package("greet", "")),
        (
            "greet/src/lib.rs",
            "pub fn greet(who: &str) -> String {\n    format!(\"hello, {who}\")\n}\n",
        ),
    ];
    // One way is enough: a compiler takes its time.
    let door = doors(&engine).last().expect("there is one");
    let project = Project::new(&engine, door, &files);
    let first = project.build();
    assert!(first.err.contains("Compiling greet"), "{first:?}");
    assert_eq!(project.says(), "hello, rust");
    project.change("src/main.rs", &main.replace("rust", "iron"));
    let second = project.build();
    assert_eq!(project.says(), "hello, iron");
    assert!(second.err.contains("Compiling app"), "{second:?}");
    let is_anew = second.err.contains("Compiling greet");
    assert!(!is_anew, "the target folder is a cache mount: {second:?}");
    engine.clean();
    engine.finish();
}

#[test]
fn a_node_program_with_a_cache_of_packages() {
    let engine = engine_with(&["debian", "node"]);
    let server = Server::start(&engine);
    let package =
        "{\"name\": \"app\", \"version\": \"1.0.0\", \"dependencies\": {\"greet\": \"^1.0.0\"}}\n";
    let files = [
        ("Dockerfile", include_str!("shapes/node.dockerfile")),
        ("package.json", package),
        ("index.js", "console.log(require('greet')('node'));\n"),
    ];
    for door in doors(&engine) {
        let mut project = Project::new(&engine, door, &files);
        project.argument("SERVER", &server.at);
        project.build();
        assert_eq!(project.says(), "hello, node", "{door}");
        let asked = server.asked();
        let is_first = *door == doors(&engine)[0];
        assert_eq!(
            asked.contains("/tarballs/greet-1.2.0.tgz"),
            is_first,
            "{door}: {asked}"
        );
        project.change(
            "package.json",
            &package.replace("1.0.0\", \"dep", "1.0.1\", \"dep"),
        );
        project.build();
        assert_eq!(project.says(), "hello, node", "{door}");
        let asked = server.asked();
        assert!(
            !asked.contains("tarballs"),
            "{door}: the cache mount has them: {asked}"
        );
    }
    drop(server);
    engine.clean();
    engine.finish();
}

#[test]
fn packages_by_apt() {
    let engine = engine_with(&["debian"]);
    let server = Server::start(&engine);
    let files = [("Dockerfile", include_str!("shapes/apt.dockerfile"))];
    for door in doors(&engine) {
        let mut project = Project::new(&engine, door, &files);
        project.argument("SERVER", &server.at);
        project.build();
        assert_eq!(project.says(), "hello, apt", "{door}");
        server.asked();
        project.argument("PACKAGES", "jq libonig5");
        project.build();
        assert_eq!(project.says(), "hello, apt", "{door}");
        let asked = server.asked();
        assert!(
            !asked.contains(".deb"),
            "{door}: the cache mount has them: {asked}"
        );
    }
    drop(server);
    engine.clean();
    engine.finish();
}
