//! Pull, push and save against a registry nobody here wrote, in the engine's own network namespace.

use std::net::Ipv4Addr;
use std::process::{Child, Stdio};
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, eventually, programs};

/// Where the registry is, in the engine's namespace.
pub(crate) const REGISTRY: &str = "127.0.0.1:5000";

/// Debian's `docker-registry`. Killed when dropped.
pub(crate) struct Registry(Child);

impl Registry {
    pub(crate) fn start(engine: &Engine) -> Self {
        let dir = engine.dir().join("registry");
        std::fs::create_dir_all(&dir).expect("a folder");
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}/data}}}}\nhttp: {{addr: \"{REGISTRY}\"}}\n",
            dir.display()
        );
        std::fs::write(dir.join("config.yml"), config).expect("a configuration");
        let mut command = engine.on_host("docker-registry");
        command.arg("serve").arg(dir.join("config.yml"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self(command.spawn().expect("docker-registry is installed"));
        eventually("the registry listens", Duration::from_secs(20), || {
            let mut look = engine.on_host("ss");
            let shown = look.args(["-Hltn", "sport", "=", ":5000"]).output();
            let shown = shown.expect("ss runs").stdout;
            (!shown.is_empty()).then_some(())
        });
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Brings an image to the registry of its name without a push of the engine's.
pub(crate) fn put_by_skopeo(engine: &Engine, name: &str) {
    let file = engine.dir().join("put.tar");
    let path = file.display().to_string();
    engine.docker().run(&["save", "-o", &path, name]).ok();
    let skopeo = programs::stock("dockerd").with_file_name("skopeo");
    let mut copy = engine.on_host(&skopeo.to_string_lossy());
    copy.args(["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]);
    copy.arg(format!("docker-archive:{path}"));
    let out = copy.arg(format!("docker://{name}")).output();
    let out = out.expect("skopeo runs");
    assert!(out.status.success(), "{out:?}");
    std::fs::remove_file(file).expect("it is there");
}

/// The lines of a layer without its id, sorted: layers come in any order.
fn words(out: &str) -> Vec<String> {
    let mut words: Vec<_> = out
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((id, rest)) if id.len() == 12 => rest.to_owned(),
            _ => line.to_owned(),
        })
        .filter(|line| line != "Waiting")
        .collect();
    words.sort();
    words
}

#[test]
fn what_is_pushed_is_pulled_and_said_in_dockers_words() {
    let engine = Engine::start();
    let registry = Registry::start(&engine);
    let docker = engine.docker();
    let name = format!("{REGISTRY}/team/app:1");
    docker.run(&["tag", BUSYBOX, &name]).ok();
    let pushed = docker.run(&["push", &name]).ok();
    let last = pushed.lines().last().expect("a last line").to_owned();
    let digest = last
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"))
        .expect("a digest");
    assert_eq!(
        words(&pushed)[..3],
        [last.clone(), "Preparing".to_owned(), "Pushed".to_owned()]
    );
    let again = docker.run(&["push", &name]).ok();
    assert!(again.contains("Layer already exists"), "{again}");
    assert!(again.ends_with(&last), "{again}");
    docker.run(&["rmi", "-f", &name, BUSYBOX]).ok();
    let pulled = docker.run(&["pull", &name]).ok();
    let mut expected = vec![
        "1: Pulling from team/app".to_owned(),
        "Download complete".to_owned(),
        "Pull complete".to_owned(),
        "Pulling fs layer".to_owned(),
        "Verifying Checksum".to_owned(),
        format!("Digest: {digest}"),
        format!("Status: Downloaded newer image for {name}"),
        name.clone(),
    ];
    expected.sort();
    assert_eq!(words(&pulled), expected);
    let again = docker.run(&["pull", &name]).ok();
    let up_to_date = format!(
        "1: Pulling from team/app\nDigest: {digest}\nStatus: Image is up to date for {name}\n{name}"
    );
    assert_eq!(again, up_to_date);
    assert_eq!(docker.run(&["pull", "-q", &name]).ok(), name);
    let digests = docker
        .run(&["inspect", "-f", "{{json .RepoDigests}}", &name])
        .ok();
    assert_eq!(digests, format!("[\"{REGISTRY}/team/app@{digest}\"]"));
    drop(registry);
    engine.finish();
}

#[test]
fn a_missing_image_is_pulled_on_the_way_to_run() {
    let engine = Engine::start();
    let registry = Registry::start(&engine);
    let docker = engine.docker();
    let name = format!("{REGISTRY}/run:1");
    docker.run(&["tag", BUSYBOX, &name]).ok();
    docker.run(&["push", "-q", &name]).ok();
    docker.run(&["rmi", "-f", &name, BUSYBOX]).ok();
    let ran = docker.run(&["run", "--rm", "--network", "none", &name, "echo", "here"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "here\n"), "{ran:?}");
    assert!(
        ran.err
            .starts_with(&format!("Unable to find image '{name}' locally\n"))
    );
    let missing = format!("{REGISTRY}/nope/x:1");
    let ran = docker.run(&["run", "--rm", &missing]);
    assert_eq!(ran.code, 125);
    let told = format!("manifest for {missing} not found: manifest unknown: manifest unknown");
    assert!(ran.err.contains(&told), "{}", ran.err);
    drop(registry);
    let ran = docker.run(&["pull", &missing]);
    let address = (Ipv4Addr::LOCALHOST, 5000);
    let told = format!(
        "Get \"http://{REGISTRY}/v2/\": dial tcp {}:{}: connect: connection refused",
        address.0, address.1
    );
    assert!(ran.err.contains(&told), "{}", ran.err);
    engine.finish();
}

#[test]
fn what_is_committed_and_saved_is_loaded() {
    let engine = Engine::start();
    let docker = engine.docker();
    let script = "echo new > /new; rm /bin/sh.x 2>/dev/null; mkdir -p /d/e; chmod 700 /d";
    docker
        .run(&[
            "run",
            "--name",
            "cc",
            "--network",
            "none",
            BUSYBOX,
            "sh",
            "-c",
            script,
        ])
        .ok();
    let change = "ENV WHO=me";
    docker
        .run(&[
            "commit", "-a", "me", "-m", "why", "-c", change, "cc", "made:1",
        ])
        .ok();
    let file = engine.dir().join("saved.tar");
    let path = file.display().to_string();
    docker.run(&["save", "-o", &path, "made:1"]).ok();
    let id = docker.run(&["inspect", "-f", "{{.Id}}", "made:1"]).ok();
    docker.run(&["rm", "cc"]).ok();
    docker.run(&["rmi", "-f", "made:1"]).ok();
    assert_eq!(
        docker.run(&["load", "-q", "-i", &path]).ok(),
        "Loaded image: made:1"
    );
    assert_eq!(docker.run(&["inspect", "-f", "{{.Id}}", "made:1"]).ok(), id);
    let look = "cat /new; stat -c %a /d; echo $WHO";
    let ran = docker.run(&[
        "run",
        "--rm",
        "--network",
        "none",
        "made:1",
        "sh",
        "-c",
        look,
    ]);
    assert_eq!(ran.ok(), "new\n700\nme");
    let history = docker
        .run(&["history", "--format", "{{.Comment}}", "made:1"])
        .ok();
    assert!(history.starts_with("why"), "{history}");
    engine.finish();
}
