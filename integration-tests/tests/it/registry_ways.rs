//! The ways to a registry: by mirrors of a `hosts.toml`, through proxies, with tokens; and what others read of
//! what is saved.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration_tests::client::finish;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, programs};

use crate::crash::Chance;
use crate::registries::{REGISTRY, Registry, put_by_skopeo};

/// A program of the test's own beside the engine. Killed when dropped.
struct Beside(Child);

impl Beside {
    /// Starts a Python script that listens at a port of the engine's loopback.
    fn python(engine: &Engine, script: &str, words: &[&str]) -> Self {
        let file = engine.dir().join(format!("{}.py", words[0]));
        std::fs::write(&file, script).expect("a script");
        let mut command = engine.on_host(&programs::python().to_string_lossy());
        command.arg(file).args(words);
        Self::listening(engine, &mut command, words[0])
    }

    fn listening(engine: &Engine, command: &mut Command, port: &str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = Self(command.spawn().expect("it starts"));
        let filter = format!(":{port}");
        eventually("it listens", Duration::from_secs(30), || {
            let mut look = engine.on_host("ss");
            let shown = look.args(["-Hltn", "sport", "=", &filter]).output();
            (!shown.expect("ss runs").stdout.is_empty()).then_some(())
        });
        child
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An image in the registry that is not in the engine.
fn put(engine: &Engine, name: &str) {
    let docker = engine.docker();
    let name = format!("{REGISTRY}/{name}");
    docker.run(&["tag", BUSYBOX, &name]).ok();
    docker.run(&["push", "-q", &name]).ok();
    docker.run(&["rmi", &name]).ok();
}

/// A host that no name service knows is reached by the mirror that its `hosts.toml` names; a mirror that may not
/// pull is passed over.
#[test]
fn a_mirror_of_hosts_toml_is_asked() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let registry = Registry::start(&engine);
    put(&engine, "team/app:1");
    let folder = engine.dir().join("certs.d/mirrored.example");
    std::fs::create_dir_all(&folder).expect("a folder");
    let hosts = format!(
        "server = \"https://mirrored.example\"\n\
         [host.\"http://127.0.0.1:5998\"]\ncapabilities = [\"push\"]\n\
         [host.\"http://127.0.0.1:5999\"]\ncapabilities = [\"pull\", \"resolve\"]\n\
         [host.\"http://{REGISTRY}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
    );
    std::fs::write(folder.join("hosts.toml"), hosts).expect("a file");
    let docker = engine.docker();
    let pulled = docker.run(&["pull", "mirrored.example/team/app:1"]).ok();
    assert!(
        pulled.contains("Status: Downloaded newer image for mirrored.example/team/app:1")
            || pulled.contains("Status: Image is up to date"),
        "{pulled}"
    );
    docker
        .run(&[
            "run",
            "--rm",
            "--network",
            "none",
            "mirrored.example/team/app:1",
            "true",
        ])
        .ok();
    let missing = docker.run(&["pull", "other.example/team/app:1"]);
    assert!(
        missing.code != 0 && missing.err.contains("other.example"),
        "{missing:?}"
    );
    drop(registry);
    engine.finish();
}

/// Registries are asked through the proxy, but for those that are to be asked directly.
#[test]
fn proxies_are_used_and_passed_over() {
    let flags = [
        "--http-proxy=http://127.0.0.1:5011",
        "--no-proxy=direct.example",
        "--insecure-registry=far.example:80",
        "--insecure-registry=direct.example:80",
    ];
    let engine = Engine::of(Kind::Gantry, &flags);
    let registry = Registry::start(&engine);
    put(&engine, "team/app:1");
    let log = engine.dir().join("proxy.log");
    let script = include_str!("registry_ways/proxy.py");
    let proxy = Beside::python(&engine, script, &["5011", &log.to_string_lossy(), "5000"]);
    let docker = engine.docker();
    let asked = || std::fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(asked(), "", "loopback addresses are asked directly");
    docker
        .run(&["pull", "-q", "far.example:80/team/app:1"])
        .ok();
    assert!(asked().contains("GET far.example"), "{}", asked());
    docker
        .run(&["tag", BUSYBOX, "far.example:80/team/new:1"])
        .ok();
    docker
        .run(&["push", "-q", "far.example:80/team/new:1"])
        .ok();
    assert!(asked().contains("PUT far.example"), "{}", asked());
    let direct = docker.run(&["pull", "direct.example:80/team/app:1"]);
    assert_ne!(direct.code, 0);
    assert!(!asked().contains("direct.example"), "{}", asked());
    drop((proxy, registry));
    engine.finish();
}

/// `docker-registry` that wants tokens of a server of its own.
fn with_tokens(engine: &Engine) -> (Beside, Beside) {
    let place = |name: &str| engine.dir().join(name).display().to_string();
    let (key, cert) = (place("token.key"), place("token.crt"));
    let mut make = Command::new("openssl");
    make.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    make.args(["-subj", "/CN=tokens", "-keyout", &key, "-out", &cert]);
    let made = make.output().expect("openssl is installed");
    assert!(made.status.success(), "{made:?}");
    let script = include_str!("registry_ways/token.py");
    let tokens = Beside::python(engine, script, &["5012", &key, &cert]);
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:5013\"}}\n\
         auth:\n  token:\n    realm: http://127.0.0.1:5012/token\n    service: tests\n    issuer: tests\n    \
         rootcertbundle: {cert}\n",
        place("guarded")
    );
    let file = engine.dir().join("guarded.yml");
    std::fs::write(&file, config).expect("a configuration");
    let mut command = engine.on_host("docker-registry");
    command.arg("serve").arg(file).stderr(Stdio::null());
    (tokens, Beside::listening(engine, &mut command, "5013"))
}

#[test]
fn tokens_are_fetched_with_and_without_a_login() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let servers = with_tokens(&engine);
    let docker = engine.docker();
    let names = [
        "127.0.0.1:5013/public/app:1",
        "127.0.0.1:5013/private/app:1",
    ];
    for name in names {
        docker.run(&["tag", BUSYBOX, name]).ok();
        let refused = docker.run(&["push", name]);
        assert!(
            refused.code != 0 && refused.err.contains("unauthorized"),
            "{refused:?}"
        );
    }
    let login = |password: &str| {
        let words = ["login", "-u", "me", "--password-stdin", "127.0.0.1:5013"];
        docker.run_with(&words, password.as_bytes())
    };
    let wrong = login("guess");
    assert!(
        wrong.code != 0 && wrong.err.contains("unauthorized"),
        "{wrong:?}"
    );
    assert!(login("secret").ok().contains("Login Succeeded"));
    for name in names {
        docker.run(&["push", "-q", name]).ok();
    }
    // The second repository takes its blobs from the first: a token for both.
    docker
        .run(&["tag", BUSYBOX, "127.0.0.1:5013/private/more:1"])
        .ok();
    let mounted = docker.run(&["push", "127.0.0.1:5013/private/more:1"]).ok();
    assert!(mounted.contains("Mounted from"), "{mounted}");
    docker.run(&["logout", "127.0.0.1:5013"]).ok();
    docker.run(&["rmi", "-f", names[0], names[1]]).ok();
    docker.run(&["pull", "-q", names[0]]).ok();
    let refused = docker.run(&["pull", names[1]]);
    let told = ["unauthorized", "denied"];
    assert!(
        refused.code != 0 && told.iter().any(|word| refused.err.contains(word)),
        "{refused:?}"
    );
    assert!(login("secret").ok().contains("Login Succeeded"));
    docker.run(&["pull", "-q", names[1]]).ok();
    drop(servers);
    engine.finish();
}

/// What is saved, stock skopeo reads as both forms of an archive, digest for digest.
#[test]
fn what_is_saved_is_read_by_skopeo() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let docker = engine.docker();
    let script = "echo new >/new; mkdir -m 700 /d; ln /new /d/again; mkfifo /d/pipe";
    docker
        .run(&[
            "run",
            "--network",
            "none",
            "--name",
            "cc",
            BUSYBOX,
            "sh",
            "-c",
            script,
        ])
        .ok();
    docker.run(&["commit", "cc", "made:1"]).ok();
    let file = engine.dir().join("made.tar").display().to_string();
    docker.run(&["save", "-o", &file, "made:1"]).ok();
    let id = docker.run(&["inspect", "-f", "{{.Id}}", "made:1"]).ok();
    let stock = programs::stock("dockerd");
    let skopeo: PathBuf = stock.with_file_name("skopeo");
    let unpacked = engine.dir().join("layout");
    std::fs::create_dir(&unpacked).expect("a folder");
    let untar = Command::new("tar")
        .arg("-xf")
        .arg(&file)
        .arg("-C")
        .arg(&unpacked)
        .status();
    assert!(untar.expect("tar runs").success());
    for source in [
        format!("docker-archive:{file}"),
        format!("oci:{}", unpacked.display()),
    ] {
        let copy = engine.dir().join(format!("copy-{}", source.len()));
        let mut run = Command::new(&skopeo);
        run.args(["--insecure-policy", "copy", "-q", &source]);
        let out = run.arg(format!("dir:{}", copy.display())).output();
        let out = out.expect("skopeo runs");
        assert!(out.status.success(), "{source}: {out:?}");
        let manifest = std::fs::read(copy.join("manifest.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["config"]["digest"], id.trim(), "{source}");
    }
    docker.run(&["rm", "cc"]).ok();
    engine.finish();
}

/// How often a pull is cut, and how much of the image may be fetched again.
const CUTS: usize = 20;
const AGAIN_PERCENT: u64 = 5;
const NOISE_BYTES: u64 = 64 << 20;

/// A pull whose engine is killed again and again fetches hardly a byte twice.
#[test]
fn a_pull_that_is_cut_goes_on_where_it_was() {
    let mut engine = Engine::of(Kind::Gantry, &[]);
    // What lies in a socket when its process dies was received in vain: as on a line of this rate, not much.
    let small = ["-qw", "net.ipv4.tcp_rmem=4096 65536 65536"];
    let set = engine.on_host("sysctl").args(small).status();
    assert!(set.expect("sysctl runs").success());
    let registry = Registry::start(&engine);
    let docker = engine.docker();
    let make = format!("head -c {NOISE_BYTES} /dev/urandom >/noise");
    let run = [
        "run",
        "--network",
        "none",
        "--name",
        "cc",
        BUSYBOX,
        "sh",
        "-c",
    ];
    docker.run(&[&run[..], &[&make]].concat()).ok();
    let direct = format!("{REGISTRY}/noise:1");
    docker.run(&["commit", "cc", &direct]).ok();
    put_by_skopeo(&engine, &direct);
    docker.run(&["rm", "cc"]).ok();
    // With its base, so that all of it is fetched.
    docker.run(&["rmi", "-f", &direct, BUSYBOX]).ok();
    let log = engine.dir().join("slow.log");
    let script = include_str!("registry_ways/slow.py");
    let words = ["5020", &log.to_string_lossy(), "5000", "8000000"];
    let line = Beside::python(&engine, script, &words);
    let name = "127.0.0.1:5020/noise:1";
    let mut chance = Chance::from_environment();
    for _ in 0..CUTS {
        let mut pull = docker.command(&["pull", name]);
        pull.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = pull.spawn().expect("docker starts");
        std::thread::sleep(Duration::from_millis(chance.below(600)));
        engine.kill_daemon();
        engine.start_daemon();
        // Cut off; or it had only knocked, and is served by the new engine.
        let _ = child.kill();
        finish(child, &["pull", name]);
    }
    docker.run(&["pull", "-q", name]).ok();
    let size = "cat /noise | wc -c";
    let seen = docker
        .run(&["run", "--rm", "--network", "none", name, "sh", "-c", size])
        .ok();
    assert_eq!(seen.trim(), NOISE_BYTES.to_string());
    let passed = std::fs::read_to_string(&log).expect("a count");
    let passed: u64 = passed.parse().expect("a number");
    let most = NOISE_BYTES + NOISE_BYTES / 100 * AGAIN_PERCENT;
    println!("{passed} bytes passed for an image of {NOISE_BYTES}");
    assert!(
        (NOISE_BYTES..most).contains(&passed),
        "{passed} of at most {most}"
    );
    drop((line, registry));
    engine.finish();
}
