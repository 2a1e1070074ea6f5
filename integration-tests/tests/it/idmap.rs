//! Binds whose files belong to the caller on the host and to the container's user within.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind};

fn owner(path: &Path) -> (u32, u32) {
    let found = std::fs::metadata(path).expect("the file is there");
    (found.uid(), found.gid())
}

#[test]
fn files_belong_to_the_caller_on_the_host_and_to_the_user_within() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let gantry = engine.gantry();
    let work = engine.dir().join("work");
    std::fs::create_dir(&work).expect("a folder");
    for name in ["own", "foreign"] {
        std::fs::write(work.join(name), "text").expect("a file");
    }
    for path in [&work, &work.join("own")] {
        chown(path, Some(1234), Some(2345)).expect("tests run as root");
    }
    let mount = format!("type=bind,src={},dst=/work,idmap=1234:2345", work.display());
    let script = "stat -c '%u:%g %n' own foreign; echo more >> own; echo x > made; mkdir folder";
    for (user, shown) in [("0:0", "0:0"), ("33:44", "33:44")] {
        let flags = [
            "run", "--rm", "--user", user, "-w", "/work", "--mount", &mount,
        ];
        let told = gantry.run(&[&flags[..], &[BUSYBOX, "sh", "-c", script]].concat());
        let expected = format!("{shown} own\n65534:65534 foreign");
        assert_eq!(told.ok(), expected);
        for name in ["own", "made", "folder"] {
            assert_eq!(owner(&work.join(name)), (1234, 2345), "{name}");
        }
        assert_eq!(owner(&work.join("foreign")), (0, 0));
        std::fs::remove_dir(work.join("folder")).expect("made within");
    }
    // A folder of somebody else's is nobody's within; who asks for that is told.
    let foreign = format!("type=bind,src={},dst=/work,idmap=77:77", work.display());
    let create = [
        "create", "--name", "denied", "--mount", &foreign, BUSYBOX, "true",
    ];
    let created = gantry.run(&create);
    assert_eq!(created.code, 0, "{created:?}");
    let hint = format!(
        "{} belongs to 1234:2345 and idmap maps 77:77",
        work.display()
    );
    assert!(created.err.contains(&hint), "{created:?}");
    // It stays so over a restart, and read-only is read-only.
    let read_only = format!("{mount},readonly");
    let create = ["create", "--name", "again", "--mount", &read_only, BUSYBOX];
    let touch = [
        "sh",
        "-c",
        "stat -c %u /work/own; touch /work/late && exit 9; true",
    ];
    gantry.run(&[&create[..], &touch].concat()).ok();
    for _ in 0..2 {
        assert_eq!(gantry.run(&["start", "-a", "again"]).out, "0\n");
    }
    assert!(!work.join("late").exists());
    engine.finish();
}

#[test]
fn what_cannot_be_mapped_is_refused_in_words_and_leaves_nothing() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let gantry = engine.gantry();
    let run = |mount: &str| gantry.run(&["run", "--rm", "--mount", mount, BUSYBOX, "true"]);
    let refused = run("type=bind,src=/proc/sys,dst=/work,idmap=1:1");
    assert_eq!(refused.code, 125, "{refused:?}");
    let why = "the owners of files in /proc/sys cannot be mapped (idmap)";
    assert!(refused.err.contains(why), "{refused:?}");
    let refused = run("type=bind,src=/tmp,dst=/work,idmap=1:1,bind-propagation=rshared");
    assert!(refused.err.contains("exclude each other"), "{refused:?}");
    engine.finish();
}
