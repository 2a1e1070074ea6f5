//! Volumes: options of the local driver, content of the image, subpaths, protection while in use.

use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, eventually};

#[test]
fn a_volume_can_be_a_mount_of_its_own_while_it_is_used() {
    let engine = Engine::start();
    let docker = engine.docker();
    let tmpfs = [
        "volume",
        "create",
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=1m,uid=1000",
        "memory",
    ];
    docker.run(&tmpfs).ok();
    let options = docker
        .run(&["volume", "inspect", "-f", "{{json .Options}}", "memory"])
        .ok();
    assert_eq!(
        options,
        r#"{"device":"tmpfs","o":"size=1m,uid=1000","type":"tmpfs"}"#
    );
    docker
        .run(&[
            "run",
            "-d",
            "--name",
            "cc",
            "-v",
            "memory:/d",
            BUSYBOX,
            "sleep",
            "1000",
        ])
        .ok();
    let mounts = docker
        .run(&["exec", "cc", "grep", " /d ", "/proc/mounts"])
        .ok();
    assert!(
        mounts.starts_with("tmpfs /d tmpfs ") && mounts.contains("size=1024k"),
        "{mounts}"
    );
    let point = docker
        .run(&["volume", "inspect", "-f", "{{.Mountpoint}}", "memory"])
        .ok();
    let is_mounted = || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        mounts.contains(&point)
    };
    assert!(is_mounted());
    let used = docker.run(&["volume", "rm", "memory"]);
    assert!(used.err.contains("volume is in use - ["), "{used:?}");
    docker.run(&["stop", "-t", "0", "cc"]).ok();
    eventually("unmounted", Duration::from_secs(5), || {
        (!is_mounted()).then_some(())
    });
    docker.run(&["start", "cc"]).ok();
    assert!(is_mounted());
    docker.run(&["rm", "-f", "cc"]).ok();
    docker.run(&["volume", "rm", "memory"]).ok();
    engine.finish();
}

#[test]
fn a_volume_that_is_a_bind_leaves_what_it_binds() {
    let engine = Engine::start();
    let docker = engine.docker();
    let folder = engine.dir().join("bound");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("file"), "mine").expect("a file");
    let device = format!("volume-opt=device={}", folder.display());
    let mount =
        format!("type=volume,src=bound,dst=/d,volume-opt=type=none,volume-opt=o=bind,{device}");
    let read = docker.run(&["run", "--rm", "--mount", &mount, BUSYBOX, "cat", "/d/file"]);
    assert_eq!(read.ok(), "mine");
    docker.run(&["volume", "rm", "bound"]).ok();
    assert!(
        folder.join("file").exists(),
        "what was mounted is not the engine's to remove"
    );
    engine.finish();
}

#[test]
fn options_are_refused_in_dockers_words() {
    let engine = Engine::start();
    let docker = engine.docker();
    for (option, text) in [
        ("bogus=1", "create vol: invalid option: \"bogus\""),
        (
            "type=tmpfs",
            "create vol: missing required option: \"device\"",
        ),
    ] {
        let refused = docker.run(&["volume", "create", "-o", option, "vol"]);
        assert!(
            refused.code == 1 && refused.err.contains(text),
            "{refused:?}"
        );
    }
    docker
        .run(&[
            "volume",
            "create",
            "-o",
            "type=none",
            "-o",
            "o=bind",
            "-o",
            "device=/nonexist",
            "vol",
        ])
        .ok();
    let failed = docker.run(&["run", "--rm", "-v", "vol:/d", BUSYBOX, "true"]);
    assert!(
        failed
            .err
            .contains("failed to mount local volume: mount /nonexist:"),
        "{failed:?}"
    );
    assert!(
        failed
            .err
            .contains("flags: 0x1000: no such file or directory"),
        "{failed:?}"
    );
    docker.run(&["volume", "rm", "vol"]).ok();
    engine.finish();
}

#[test]
fn a_subpath_is_mounted_and_never_leads_out() {
    let engine = Engine::start();
    let docker = engine.docker();
    let fill = "mkdir -p /v/a/b && echo deep > /v/a/b/file && ln -s / /v/out";
    docker
        .run(&["run", "--rm", "-v", "vol:/v", BUSYBOX, "sh", "-c", fill])
        .ok();
    let with = |path: &str| {
        let mount = format!("type=volume,src=vol,dst=/d,volume-subpath={path}");
        docker.run(&["run", "--rm", "--mount", &mount, BUSYBOX, "cat", "/d/file"])
    };
    assert_eq!(with("a/b").ok(), "deep");
    for path in ["out", "out/etc", "none"] {
        let refused = with(path);
        assert!(refused.code == 125 || refused.code == 127, "{refused:?}");
    }
    let above = with("../x");
    assert!(
        above
            .err
            .contains("subpath must be a relative path within the volume"),
        "{above:?}"
    );
    docker.run(&["volume", "rm", "vol"]).ok();
    engine.finish();
}

#[test]
fn a_new_volume_has_the_images_content_unless_told_otherwise() {
    let engine = Engine::start();
    let docker = engine.docker();
    let list = |mount: &str| {
        docker
            .run(&["run", "--rm", "--mount", mount, BUSYBOX, "ls", "/etc/"])
            .ok()
    };
    assert!(list("type=volume,src=full,dst=/etc").contains("passwd"));
    assert!(!list("type=volume,src=bare,dst=/etc,volume-nocopy").contains("passwd"));
    docker
        .run(&[
            "run",
            "--name",
            "owner",
            "-v",
            "full:/data",
            BUSYBOX,
            "true",
        ])
        .ok();
    let from = docker.run(&[
        "run",
        "--rm",
        "--volumes-from",
        "owner:ro",
        BUSYBOX,
        "sh",
        "-c",
        "cat /data/group && touch /data/x",
    ]);
    assert!(from.code != 0 && from.out.contains("extra"), "{from:?}");
    docker.run(&["rm", "owner"]).ok();
    let pruned = docker.run(&["volume", "prune", "-f"]).ok();
    assert!(!pruned.contains("full"), "{pruned}");
    let pruned = docker.run(&["volume", "prune", "-f", "-a"]).ok();
    assert!(
        pruned.contains("full") && pruned.contains("bare"),
        "{pruned}"
    );
    engine.finish();
}

#[test]
fn an_image_is_mounted_read_only_and_kept_while_it_is() {
    let engine = Engine::start();
    let docker = engine.docker();
    let with = |options: &str, command: &str| {
        let mount = format!("type=image,src={BUSYBOX},dst=/img{options}");
        docker.run(&[
            "run", "--rm", "--mount", &mount, BUSYBOX, "sh", "-c", command,
        ])
    };
    assert_eq!(with("", "ls /img").ok(), "bin\netc\nroot\ntmp");
    assert_eq!(with(",image-subpath=etc", "ls /img").ok(), "group\npasswd");
    let written = with("", "touch /img/x");
    assert!(
        written.code != 0 && written.err.contains("Read-only file system"),
        "{written:?}"
    );
    let missing = with(",image-subpath=nope", "true");
    assert!(missing.err.contains("cannot access path "), "{missing:?}");
    let tag = docker.run(&["tag", BUSYBOX, "mounted:it"]);
    tag.ok();
    let mount = "type=image,src=mounted:it,dst=/img";
    docker
        .run(&[
            "run", "-d", "--name", "holder", "--mount", mount, BUSYBOX, "sleep", "1000",
        ])
        .ok();
    let kind = docker.run(&[
        "inspect",
        "-f",
        "{{range .Mounts}}{{.Type}} {{.Name}} {{.RW}}{{end}}",
        "holder",
    ]);
    assert_eq!(kind.ok(), "image mounted:it false");
    docker.run(&["rm", "-f", "holder"]).ok();
    engine.finish();
}
