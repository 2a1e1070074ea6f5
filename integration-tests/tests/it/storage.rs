//! What the engine stores: checked and mended, in one place at a time, on a disk that is full.

use std::path::PathBuf;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, programs};

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
        while std::io::Write::write_all(&mut file, &vec![1; piece]).is_ok() {}
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
