//! The control groups of builds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use integration_tests::engine::Kind;
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, eventually};

/// The groups directly beneath an engine's own, in one hierarchy of the machine.
fn groups_beneath(engine: &Engine) -> Vec<PathBuf> {
    let parent = engine.cgroup_parent();
    let parent = parent.trim_start_matches('/');
    let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
    let own = roots.map(|root| Path::new(root).join(parent));
    let entries = own.iter().find_map(|own| fs::read_dir(own).ok());
    let entries = entries.into_iter().flatten().flatten();
    let groups = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    groups.map(|entry| entry.path()).collect()
}

fn memory_limit(group: &Path) -> String {
    let files = ["memory.limit_in_bytes", "memory.max"];
    let limit = files
        .iter()
        .find_map(|file| fs::read_to_string(group.join(file)).ok());
    limit.unwrap_or_default().trim().to_owned()
}

#[test]
fn a_build_has_a_control_group_that_dies_with_it() {
    let mut engine = Engine::start();
    let root = engine.dir().join("context");
    fs::create_dir(&root).expect("a folder");
    let text = format!("FROM {BUSYBOX}\nRUN until [ -e /go ]; do sleep 1; done\n");
    fs::write(root.join("Dockerfile"), text).expect("a file");
    let root = root.to_str().expect("text");
    let patience = Duration::from_secs(30);
    let begin = |engine: &Engine| {
        let words = ["build", "--memory=64m", root];
        let mut command = engine.stock_docker().command(&words);
        command.env("DOCKER_BUILDKIT", "0");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let client = command.spawn().expect("docker starts");
        let group = eventually("the build's group has its limit", patience, || {
            let limited = |group: &PathBuf| memory_limit(group) == (64 << 20).to_string();
            groups_beneath(engine).into_iter().find(limited)
        });
        (client, group)
    };
    let end = |mut client: Child| {
        client.kill().expect("docker can be killed");
        client.wait().expect("docker ends");
    };
    let (client, group) = begin(&engine);
    if engine.kind() == Kind::Gantry {
        let name = group.file_name().expect("a name").to_string_lossy();
        assert!(name.starts_with("build-"), "{name}");
        let program = eventually("the program's group", patience, || {
            let inner = fs::read_dir(&group).ok()?.flatten();
            let mut inner = inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            inner.next()
        });
        assert_eq!(program.file_name().len(), 64, "{program:?}");
    }
    end(client);
    eventually("the group is gone", patience, || {
        groups_beneath(&engine).is_empty().then_some(())
    });
    if engine.kind() == Kind::Gantry {
        let (client, _) = begin(&engine);
        engine.kill_daemon();
        end(client);
        engine.start_daemon();
        eventually(
            "nothing of a killed engine's build is left",
            patience,
            || groups_beneath(&engine).is_empty().then_some(()),
        );
    }
    engine.finish();
}
