//! Archives that nobody here wrote: made by umoci, skopeo and a stock dockerd, and read by them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantry_layer::LayerStore;
use serde_json::json;

use crate::archives::{TestStore, tar_of};

/// A stock program.
fn peer(name: &str) -> PathBuf {
    let peers = std::env::var_os("GANTRY_PEERS")
        .expect("GANTRY_PEERS names the stock engines: run the tests by `cargo xtask test`");
    Path::new(&peers).join("bin").join(name)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A root filesystem with a bit of everything.
fn rootfs(directory: &Path) {
    std::fs::create_dir_all(directory.join("etc")).unwrap();
    std::fs::write(
        directory.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(directory.join("large"), vec![b'x'; 300_000]).unwrap();
    std::fs::hard_link(directory.join("large"), directory.join("linked")).unwrap();
    std::os::unix::fs::symlink("etc/passwd", directory.join("users")).unwrap();
}

#[test]
fn layouts_by_umoci_and_archives_by_skopeo() {
    let store = TestStore::new();
    let temp = store.root.path();
    rootfs(&temp.join("rootfs"));
    let layout = temp.join("layout");
    let tagged = format!("{}:made", layout.display());
    run(Command::new(peer("umoci"))
        .arg("init")
        .arg("--layout")
        .arg(&layout));
    run(Command::new(peer("umoci")).args(["new", "--image", &tagged]));
    let insert = ["insert", "--image", &tagged];
    run(Command::new(peer("umoci"))
        .args(insert)
        .arg(temp.join("rootfs"))
        .arg("/in"));
    run(Command::new(peer("umoci"))
        .args(insert)
        .args(["--whiteout", "/in/large"]));
    run(Command::new(peer("umoci")).args([
        "config",
        "--image",
        &tagged,
        "--config.cmd",
        "sh",
        "--config.env",
        "A=b",
    ]));
    let source = format!("oci:{tagged}");
    for (kind, name) in [
        ("oci-archive", "me/oci:1"),
        ("docker-archive", "me/docker:1"),
    ] {
        let file = temp.join(kind);
        let target = format!("{kind}:{}:{name}", file.display());
        let mut copy = Command::new(peer("skopeo"));
        run(copy.args(["--insecure-policy", "copy", "--quiet", &source, &target]));
        let archive = std::fs::read(file).unwrap();
        assert_eq!(store.load(&archive), [format!("Loaded image: {name}")]);
        let image = store.images.find(name).unwrap();
        assert_eq!(
            image.config.run().cmd.as_deref(),
            Some(&["sh".to_owned()][..])
        );
        let read = |path: &str| {
            store
                .images
                .open_in_image(&image.id, Path::new(path))
                .unwrap()
        };
        assert!(read("/in/users").is_some() && read("/in/linked").is_some());
        assert!(read("/in/large").is_none(), "whited out");
        let chain = image.config.chain().unwrap();
        store
            .images
            .layers()
            .write_tar(&chain, &mut std::io::sink())
            .unwrap();
    }
    // Both forms have the same layers: one as gzip, one plain.
    let chain = |name: &str| store.images.find(name).unwrap().config.chain();
    assert_eq!(chain("me/oci:1"), chain("me/docker:1"));
}

/// A stock dockerd of this test's own, in a network namespace of its own.
struct Dockerd {
    process: Child,
    namespace: String,
    directory: tempfile::TempDir,
}

impl Dockerd {
    fn start() -> Self {
        let mut path = peer("").into_os_string();
        let directory = tempfile::Builder::new()
            .prefix("gantry-image-")
            .tempdir()
            .unwrap();
        let namespace = directory
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        run(Command::new("ip").args(["netns", "add", &namespace]));
        let at = |name: &str| directory.path().join(name);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{namespace}"))
            .arg(peer("dockerd"));
        command
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"));
        command
            .arg("--pidfile")
            .arg(at("pid"))
            .args(["--storage-driver", "overlay2"]);
        command
            .arg("-H")
            .arg(format!("unix://{}", at("sock").display()));
        command.args(["--bridge", "none", "--iptables=false", "--ip6tables=false"]);
        command
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let log = std::fs::File::create(at("log")).unwrap();
        let process = command.stderr(log).spawn().unwrap();
        let dockerd = Self {
            process,
            namespace,
            directory,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !dockerd
            .docker()
            .arg("version")
            .output()
            .unwrap()
            .status
            .success()
        {
            let log = std::fs::read_to_string(dockerd.directory.path().join("log"));
            assert!(Instant::now() < deadline, "dockerd did not start: {log:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        dockerd
    }

    fn docker(&self) -> Command {
        let mut command = Command::new(peer("docker"));
        let socket = self.directory.path().join("sock");
        command
            .arg("-H")
            .arg(format!("unix://{}", socket.display()));
        command
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
        let _ = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .status();
    }
}

/// Every instruction that `--change` takes.
const CHANGES: [&str; 11] = [
    "CMD [\"sh\"]",
    "ENV A=\"b c\" D=e",
    "EXPOSE 80 53/udp",
    "LABEL x.y=\"z w\"",
    "VOLUME /v",
    "WORKDIR /w",
    "USER nobody",
    "STOPSIGNAL SIGQUIT",
    "HEALTHCHECK --interval=1m CMD curl -f localhost",
    "ONBUILD RUN make",
    "ENTRYPOINT echo hi",
];

impl Dockerd {
    fn import(&self, tar: &Path, name: &str) {
        let mut import = self.docker();
        import.arg("import");
        for change in CHANGES {
            import.args(["--change", change]);
        }
        run(import.arg(tar).arg(name));
    }

    fn inspect(&self, name: &str, format: &str) -> String {
        let mut inspect = self.docker();
        run(inspect.args(["image", "inspect", "--format", format, name]))
            .trim()
            .to_owned()
    }
}

#[test]
fn archives_of_a_stock_dockerd_and_back() {
    let dockerd = Dockerd::start();
    let store = TestStore::new();
    let temp = store.root.path();
    rootfs(&temp.join("rootfs"));
    let tar = temp.join("rootfs.tar");
    run(Command::new("tar")
        .arg("-C")
        .arg(temp.join("rootfs"))
        .arg("-cf")
        .arg(&tar)
        .arg("."));
    dockerd.import(&tar, "theirs:1");

    // What they saved is the same image here.
    let saved = temp.join("saved.tar");
    run(dockerd
        .docker()
        .args(["save", "-o"])
        .arg(&saved)
        .arg("theirs:1"));
    assert_eq!(
        store.load(&std::fs::read(&saved).unwrap()),
        ["Loaded image: theirs:1"]
    );
    let theirs = store.images.find("theirs:1").unwrap();
    assert_eq!(
        theirs.id.to_string(),
        dockerd.inspect("theirs:1", "{{.Id}}")
    );
    assert_eq!(
        theirs.size_bytes.to_string(),
        dockerd.inspect("theirs:1", "{{.Size}}")
    );

    // The same changes mean the same configuration.
    let request = gantry_image::ImportRequest {
        changes: CHANGES.map(str::to_owned).to_vec(),
        ..gantry_image::ImportRequest::default()
    };
    let ours = store
        .images
        .import(&mut std::fs::File::open(&tar).unwrap(), &request)
        .unwrap();
    let ours = store.images.get(&ours).unwrap();
    let json = |config| serde_json::to_value(config).unwrap();
    assert_eq!(json(ours.config.run()), json(theirs.config.run()));
    assert_eq!(ours.config.file().rootfs, theirs.config.file().rootfs);

    // What is made again here from recipe and files they load as the image it was.
    let mut layer = Vec::new();
    let chain = theirs.config.chain().unwrap();
    store.images.layers().write_tar(&chain, &mut layer).unwrap();
    let manifest = json!([{"Config": "c.json", "RepoTags": ["again:1"], "Layers": ["l.tar"]}]);
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let files: [(&str, &[u8]); 3] = [
        ("c.json", theirs.config.raw()),
        ("l.tar", &layer),
        ("manifest.json", &manifest),
    ];
    std::fs::write(&saved, tar_of(&files)).unwrap();
    let told = run(dockerd.docker().args(["load", "-i"]).arg(&saved));
    assert_eq!(told.trim(), "Loaded image: again:1");
    assert_eq!(dockerd.inspect("again:1", "{{.Id}}"), theirs.id.to_string());
}
