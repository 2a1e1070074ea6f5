//! Contexts at addresses of the web, contexts with names, and triggers that copy from stages.

use std::fs;
use std::process::Command;

use integration_tests::Engine;
use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;

use super::{Server, buildx, classic, files, folder};

#[test]
fn a_file_of_the_web_is_a_context() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let root = engine.dir().join("packed");
    fs::create_dir_all(root.join("sub")).expect("a folder");
    let text = format!("FROM {BUSYBOX}\nCOPY . /in/\n");
    for (name, text) in [
        ("Dockerfile", text.as_str()),
        ("sub/Other", &text),
        ("a", "a\n"),
    ] {
        fs::write(root.join(name), text).expect("a file");
    }
    std::os::unix::fs::symlink("/etc/passwd", root.join("Linked")).expect("a link");
    for (flags, name) in [("-cf", "c.tar"), ("-czf", "c.tar.gz")] {
        let mut tar = Command::new("tar");
        tar.args(["--owner=0", "--group=0", "-C"])
            .arg(&root)
            .arg(flags);
        let done = tar.arg(server.folder.join(name)).arg(".").status();
        assert!(done.expect("tar runs").success());
    }
    fs::write(server.folder.join("Alone"), &text).expect("a file");
    let at = &server.at;
    let check = |door: &str| {
        let list = files(&engine, "made", "/in");
        assert!(list.contains("./a -rw-r--r-- 0:0\na"), "{door}: {list}");
    };
    buildx(&engine, &["-t", "made", &format!("{at}/c.tar.gz")]).ok();
    check("gz");
    buildx(
        &engine,
        &["-t", "made", "-f", "sub/Other", &format!("{at}/c.tar")],
    )
    .ok();
    check("other");
    buildx(&engine, &["-t", "made", &format!("{at}/Alone")]).ok();
    let alone = files(&engine, "made", "/in");
    assert!(alone.contains("./context -rw------- 0:0\nFROM "), "{alone}");
    for (file, address, said) in [
        ("Dockerfile", format!("{at}/none.tar"), "404"),
        ("none", format!("{at}/c.tar"), "failed to read dockerfile"),
        // A link leads nowhere but into the context.
        ("Linked", format!("{at}/c.tar"), "failed to read dockerfile"),
    ] {
        let told = buildx(&engine, &["-f", file, &address]);
        assert!(
            told.code != 0 && told.err.contains(said),
            "{address}: {}",
            told.err
        );
    }
    if engine.kind() == Kind::Gantry {
        let (status, told) = classic(&engine, &format!("{at}/c.tar.gz"), "");
        assert!(
            status == 200 && told.contains("Successfully built"),
            "{told}"
        );
        check("classic");
        let (_, told) = classic(&engine, &format!("{at}/Alone"), "");
        assert!(told.contains("Successfully built"), "{told}");
        let (status, told) = classic(&engine, "elsewhere", "");
        assert!(status == 400 && told.contains("no address"), "{told}");
        let (status, told) = classic(&engine, &format!("{at}/none.tar"), "");
        assert!(status != 200 && told.contains("404"), "{status} {told}");
    }
    drop(server);
    engine.finish();
}

#[test]
fn names_stand_for_folders_and_repositories() {
    let engine = Engine::start();
    let server = Server::start(&engine);
    let given = engine.dir().join("given");
    fs::create_dir_all(given.join("out")).expect("a folder");
    for (name, text) in [
        ("in.txt", "in\n"),
        ("out/x", "x\n"),
        (".dockerignore", "out\n"),
    ] {
        fs::write(given.join(name), text).expect("a file");
    }
    let named = format!("given={}", given.display());
    let repository = format!("code={}/x.git#v1:sub", server.at);
    let names = ["--build-context", &named, "--build-context", &repository];
    let text = "FROM given AS folder\nENV A=b\nCOPY --from=code b.txt /\n\
                FROM code\nCOPY --from=folder / /all/\nCOPY --from=given in.txt /again\n\
                FROM BASE\nCOPY --from=1 / /made/\n";
    let root = folder(&engine, text);
    buildx(&engine, &[&names[..], &["-t", "made", &root]].concat()).ok();
    let list = files(&engine, "made", "/made");
    let names_of: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    for name in [
        "./again",
        "./all/in.txt",
        "./all/b.txt",
        "./all/.dockerignore",
        "./b.txt",
    ] {
        assert!(names_of.contains(&name), "{name}: {list}");
    }
    assert!(!list.contains("/out"), "{list}");
    let again = buildx(&engine, &[&names[..], &[&root]].concat());
    assert!(again.code == 0 && again.err.contains("CACHED"), "{again:?}");
    // A folder alone as an image: one layer, with BuildKit's words.
    let root = folder(&engine, "FROM given\nENV A=b\n");
    buildx(&engine, &[&names[..], &["-t", "alone", &root]].concat()).ok();
    let shown = [
        "image",
        "inspect",
        "-f",
        "{{len .RootFS.Layers}} {{json .Config.Env}} {{.Config.WorkingDir}}",
        "alone",
    ];
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(
        engine.docker().run(&shown).ok(),
        format!("1 [\"{path}\",\"A=b\"] /")
    );
    drop(server);
    engine.finish();
}

#[test]
fn a_name_stands_for_an_image_in_a_layout() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        // It knows layouts with containerd's image store alone, and says so.
        return engine.finish();
    }
    let layout = engine.dir().join("layout");
    fs::create_dir_all(&layout).expect("a folder");
    let archive = engine.dir().join("archive.tar");
    let saved = ["save", "-o", archive.to_str().expect("a name"), BUSYBOX];
    engine.docker().run(&saved).ok();
    let unpacked = Command::new("tar")
        .arg("-C")
        .arg(&layout)
        .arg("-xf")
        .arg(&archive)
        .status();
    assert!(unpacked.expect("tar runs").success());
    let index = fs::read(layout.join("index.json")).expect("an index");
    let index: serde_json::Value = serde_json::from_slice(&index).expect("JSON");
    let digest = index["manifests"][0]["digest"]
        .as_str()
        .expect("a digest")
        .to_owned();
    let context = format!("base=oci-layout://{}@{digest}", layout.display());
    let text = "FROM base\nCOPY --from=base /etc/passwd /p\nRUN cat /p\n";
    let root = folder(&engine, text);
    engine.docker().run(&["rmi", "-f", BUSYBOX]).ok();
    let words = ["--build-context", &context, "-t", "made", "--pull", &root];
    buildx(&engine, &words).ok();
    engine
        .docker()
        .run(&["run", "--rm", "made", "test", "-s", "/p"])
        .ok();
    // A blob that is not what its name says.
    let manifest = layout
        .join("blobs/sha256")
        .join(digest.trim_start_matches("sha256:"));
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let layer = manifest["layers"][0]["digest"].as_str().expect("a digest");
    let layer = layout
        .join("blobs/sha256")
        .join(layer.trim_start_matches("sha256:"));
    engine.docker().run(&["rmi", "-f", "made"]).ok();
    engine.docker().run(&["system", "prune", "-af"]).ok();
    let mut bytes = fs::read(&layer).expect("a layer");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&layer, bytes).expect("a layer");
    let told = buildx(&engine, &words);
    assert!(told.code != 0, "{told:?}");
    engine.finish();
}

#[test]
fn a_trigger_of_an_image_copies_from_a_stage_of_the_file() {
    let engine = Engine::start();
    let left = "FROM BASE\nONBUILD COPY --from=tools /tool /p\n\
                ONBUILD RUN --mount=from=BASE,target=/m test -d /m/bin\n"
        .replace("BASE", BUSYBOX);
    buildx(&engine, &["-t", "left", &folder(&engine, &left)]).ok();
    let root = folder(
        &engine,
        "FROM BASE AS tools\nRUN echo tool > /tool\nFROM left\n",
    );
    buildx(&engine, &["-t", "made", &root]).ok();
    let look = ["run", "--rm", "made", "cat", "/p"];
    assert_eq!(engine.docker().run(&look).ok(), "tool");
    // A stage cannot need itself.
    let root = folder(&engine, "FROM left AS tools\n");
    let told = buildx(&engine, &[&root]);
    let said = "circular dependency detected on stage: tools";
    assert!(told.code != 0 && told.err.contains(said), "{told:?}");
    engine.finish();
}

#[test]
fn our_command_line_builds_what_lies_at_addresses() {
    let engine = Engine::start();
    if engine.kind() == Kind::Stock {
        return engine.finish();
    }
    let server = Server::start(&engine);
    let build = |words: &[&str]| engine.gantry().run(&[&["build"], words].concat());
    let address = format!("{}/x.git#v1:sub", server.at);
    let built = build(&["-t", "made", &address]);
    assert_eq!(built.code, 0, "{built:?}");
    let list = files(&engine, "made", "/in");
    assert!(list.contains("./b.txt -rw-r--r-- 0:0\nb"), "{list}");
    let root = folder(&engine, "FROM BASE\nCOPY --from=code b.txt /named/\n");
    let named = format!("--build-context=code={address}");
    build(&["-q", "-t", "made", &named, &root]).ok();
    let list = files(&engine, "made", "/named");
    assert!(list.contains("./b.txt"), "{list}");
    for (words, said) in [
        (vec!["-f", "none", &address], "none"),
        (vec!["--check", &address], "cannot be checked or drawn"),
        (
            vec!["--build-context=code=/tmp", &root],
            "files are not yet",
        ),
    ] {
        let refused = build(&words);
        assert!(
            refused.code != 0 && refused.err.contains(said),
            "{words:?}: {refused:?}"
        );
    }
    drop(server);
    engine.finish();
}
