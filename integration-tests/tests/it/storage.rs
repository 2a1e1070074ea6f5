//! What the engine stores: checked and mended, in one place at a time, on a disk that is full.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use integration_tests::http::Http;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, programs};
use serde_json::Value;

#[test]
fn damage_is_found_and_mended() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let (docker, gantry) = (engine.docker(), engine.gantry());
    let sound = gantry.run(&["system", "fsck"]).ok();
    assert_eq!(sound, "");
    let layers = engine.data_root().join("image/layers");
    let listed = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&layers).expect("layers");
        entries
            .map(|entry| entry.expect("a layer").path())
            .collect()
    };
    let before = listed();
    let script = "echo content >/x";
    docker
        .run(&["run", "--name", "base", BUSYBOX, "sh", "-c", script])
        .ok();
    docker.run(&["commit", "base", "derived:1"]).ok();
    docker.run(&["rm", "base"]).ok();
    let after = listed();
    let newest = after.iter().find(|path| !before.contains(path));
    let newest = newest.expect("a layer of the commit");
    let stranger = layers.join("stranger");
    std::fs::create_dir(&stranger).expect("a stranger");
    let found = gantry.run(&["system", "fsck"]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(
        found.out.contains("it is no layer; run fsck with --repair"),
        "{found:?}"
    );
    gantry.run(&["system", "fsck", "--repair"]).ok();
    assert!(!stranger.exists());
    let content = ["tar", "fs/x"].map(|name| newest.join(name));
    let content = content.iter().find(|path| path.exists());
    let content = content.expect("what the layer is made of");
    std::fs::write(content, "damaged").expect("damage");
    let found = gantry.run(&["system", "fsck"]);
    assert!(
        found.code == 1 && found.out.contains("layer sha256:"),
        "{found:?}"
    );
    docker.run(&["rmi", "derived:1"]).ok();
    gantry.run(&["system", "fsck"]).ok();
    engine.finish();
}

#[test]
fn two_engines_never_share_a_root() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let other = engine.dir().join("other");
    let program = programs::ours("gantryd");
    let out = engine
        .on_host(&program.to_string_lossy())
        .arg("--data-root")
        .arg(engine.data_root())
        .arg("--exec-root")
        .arg(&other)
        .arg("--pidfile")
        .arg(other.with_extension("pid"))
        .output()
        .expect("gantryd");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success());
    assert!(
        told.contains("another engine is using this data root"),
        "{told}"
    );
    engine.gantry().run(&["version"]).ok();
    engine.finish();
}

/// A tar of one file of so many bytes that do not compress.
fn tar_of(bytes: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while content.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "content", content.as_slice())
        .expect("an entry");
    tar.into_inner().expect("a tar")
}

/// Nothing is added to a disk that is full, and everything else goes on.
#[test]
fn a_full_disk_is_survived() {
    let engine = Engine::on_small_disk(Kind::Gantry, "48m");
    let docker = engine.docker();
    let put = |name: &str, bytes: usize| docker.run_with(&["import", "-", name], &tar_of(bytes));
    put("small:1", 2_000_000).ok();
    docker
        .run(&["run", "-d", "--name", "on", BUSYBOX, "sleep", "1000"])
        .ok();
    let images = docker.run(&["images", "-q"]).ok();
    let refused = put("large:1", 80_000_000);
    assert_ne!(refused.code, 0);
    // The stock client may see its upload cut before it reads the answer.
    let told = ["No space left on device", "would free"];
    let is_cut = refused.err.contains("broken pipe");
    assert!(
        is_cut || told.iter().all(|word| refused.err.contains(word)),
        "{refused:?}"
    );
    assert_eq!(docker.run(&["images", "-q"]).ok(), images);
    // To the last byte.
    let fill = engine.data_root().join("fill");
    let mut file = std::fs::File::create(&fill).expect("a file");
    for piece in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; piece]).is_ok() {}
    }
    let refused = docker.run(&["create", BUSYBOX, "true"]);
    assert!(
        refused.code != 0 && refused.err.contains("no space left on device"),
        "{refused:?}"
    );
    assert!(refused.err.contains("would free"), "{refused:?}");
    docker.run(&["ps"]).ok();
    docker.run(&["stop", "-t", "0", "on"]).ok();
    assert_eq!(
        docker
            .run(&["inspect", "-f", "{{.State.Status}}", "on"])
            .ok()
            .trim(),
        "exited"
    );
    docker.run(&["rmi", "small:1"]).ok();
    docker.run(&["rm", "on"]).ok();
    drop(file);
    std::fs::remove_file(fill).expect("it is there");
    assert_eq!(
        docker.run(&["run", "--rm", BUSYBOX, "echo", "on"]).ok(),
        "on"
    );
    put("small:2", 2_000_000).ok();
    engine.gantry().run(&["system", "fsck"]).ok();
    engine.finish();
}

/// What `du` says of a tree, in bytes.
fn du(path: &Path) -> u64 {
    let out = Command::new("du")
        .args(["-s", "-x", "--block-size=1"])
        .arg(path)
        .output()
        .expect("du");
    let text = String::from_utf8(out.stdout).expect("text");
    let word = text.split_whitespace().next().expect("a number");
    word.parse().expect("a number")
}

/// Equal within one per cent, and 64 KiB for what changes meanwhile.
fn close(told: u64, found: u64) -> bool {
    told.abs_diff(found) <= found / 100 + (64 << 10)
}

/// An engine with an image, a container that has written, logged and ended, a volume, and a cached step of a
/// build whose image is gone.
fn filled() -> Engine {
    let engine = Engine::of(Kind::Gantry, &[]);
    let docker = engine.docker();
    docker
        .run_with(&["import", "-", "large:1"], &tar_of(20_000_000))
        .ok();
    docker.run(&["volume", "create", "data"]).ok();
    let script = "dd if=/dev/urandom of=/x bs=1M count=7; dd if=/dev/urandom of=/data/x bs=1M count=9; \
                  dd if=/dev/zero bs=1M count=4 | tr '\\0' 'a' | fold -w 1000";
    let run = ["run", "--name", "one", "-v", "data:/data", BUSYBOX];
    docker.run(&[&run[..], &["sh", "-c", script]].concat()).ok();
    let step = "dd if=/dev/urandom of=/y bs=1M count=5";
    let dockerfile = format!("FROM {BUSYBOX}\nRUN {step}\n");
    let stock = engine.stock_docker();
    let mut build = stock.command(&["build", "-q", "-"]);
    let built = feed(build.env("DOCKER_BUILDKIT", "0"), dockerfile.as_bytes());
    docker.run(&["rmi", built.trim()]).ok();
    engine
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

/// `system df` is what `du` says of each container, log and volume, and of all together.
#[test]
fn sizes_are_those_of_the_disk() {
    let engine = filled();
    let root = engine.data_root();
    let mut http = Http::connect(&engine.socket());
    let usage = http.call("GET", "/v1.51/system/df", "").json();
    let list = |key: &str| usage[key].as_array().expect("a list");
    let data = list("Volumes").iter().find(|one| one["Name"] == "data");
    let data = number(&data.expect("the volume")["UsageData"]["Size"]);
    assert!(close(data, du(&root.join("volumes/data"))), "{data}");
    let container = &usage["Containers"][0];
    let id = container["Id"].as_str().expect("an id");
    let place = root.join("containers").join(id);
    let taken = number(&container["SizeRw"]);
    assert!(
        close(taken, du(&place)) && taken > 11_000_000,
        "{container}"
    );
    let log = number(&container["SizeLog"]);
    let found = du(&place.join(format!("{id}-json.log")));
    assert!(close(log, found) && log > 4_000_000, "{container}");
    let volumes = list("Volumes").iter();
    let volumes: u64 = volumes.map(|one| number(&one["UsageData"]["Size"])).sum();
    let all = number(&usage["LayersSize"])
        + taken
        + volumes
        + images_and_cache(&root, &usage)
        + number(&usage["EngineSize"]);
    let found = du(&root);
    assert!(close(all, found), "{all} told, {found} found: {usage:#}");
    engine.docker().run(&["system", "df"]).ok();
    engine.docker().run(&["system", "df", "-v"]).ok();
    engine.finish();
}

/// Compares the sizes of an image and of the build cache with those of layers; answers the cache's.
fn images_and_cache(root: &Path, usage: &Value) -> u64 {
    let layers = std::fs::read_dir(root.join("image/layers")).expect("layers");
    let sizes: Vec<u64> = layers
        .map(|one| du(&one.expect("a layer").path()))
        .collect();
    let images = usage["Images"].as_array().expect("images").iter();
    let mut large = images.filter(|one| one["RepoTags"][0] == "large:1");
    let large = number(&large.next().expect("the image")["Size"]);
    assert!(sizes.contains(&large), "{large} {sizes:?}");
    let cache = usage["BuildCache"].as_array().expect("a cache").iter();
    let own = cache.filter(|one| one["Shared"] == false);
    let own: u64 = own.map(|one| number(&one["Size"])).sum();
    assert!(sizes.contains(&own) && own > 5_000_000, "{usage:#}");
    own
}

/// Runs a command with something to read, and answers what it said.
fn feed(command: &mut Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input).expect("it reads");
    drop(pipe);
    let out = child.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).expect("text")
}

/// Above the high watermark images that nobody uses go, the one unused for longest first; what is used, what is
/// kept by name, and what fits stays.
#[test]
fn unused_images_go_when_the_disk_fills() {
    let flags = [
        "--gc-high=70",
        "--gc-low=60",
        "--gc-age=0s",
        "--gc-images",
        "--gc-keep=kept",
    ];
    let engine = Engine::on_small_disk_with(Kind::Gantry, "128m", &flags);
    let docker = engine.docker();
    docker
        .run(&["run", "-d", "--name", "on", BUSYBOX, "sleep", "1000"])
        .ok();
    let has = |name: &str| !docker.run(&["images", "-q", name]).ok().trim().is_empty();
    for name in ["kept:1", "oldest:1", "middle:1", "newest:1"] {
        // Each has another content.
        let bytes = 20_000_000 + 8 * name.len() * usize::from(name.as_bytes()[0]);
        docker.run_with(&["import", "-", name], &tar_of(bytes)).ok();
    }
    let names = docker.run(&["images", "--format", "{{.Repository}}"]).ok();
    assert!(names.contains("newest"), "{names}");
    assert!(has("oldest:1"), "nothing goes below the watermark");
    docker
        .run_with(&["import", "-", "last:1"], &tar_of(24_000_000))
        .ok();
    eventually("the oldest image goes", Duration::from_secs(60), || {
        (!has("oldest:1")).then_some(())
    });
    for name in ["kept:1", BUSYBOX, "newest:1", "last:1"] {
        assert!(has(name), "{name}");
    }
    assert_eq!(
        docker
            .run(&["inspect", "-f", "{{.State.Status}}", "on"])
            .ok()
            .trim(),
        "running"
    );
    docker.run(&["rm", "-f", "on"]).ok();
    engine.gantry().run(&["system", "fsck"]).ok();
    engine.finish();
}
