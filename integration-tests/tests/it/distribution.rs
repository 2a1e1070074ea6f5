//! Lists of manifests, and pulls that fill the disk.

use std::io::Write;
use std::time::Duration;

use integration_tests::image::{BUSYBOX, busybox_tar};
use integration_tests::{Client, Engine, Kind, eventually};

use crate::registries::{REGISTRY, Registry, put_by_skopeo};

/// The command line's folder of lists.
fn lists(engine: &Engine) -> Vec<String> {
    let folder = engine.dir().join("home/.docker/manifests");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Two images of two repositories, for two platforms.
fn images(engine: &Engine) -> [String; 2] {
    let docker = engine.docker();
    let names = [
        format!("{REGISTRY}/team/one:1"),
        format!("{REGISTRY}/other/two:1"),
    ];
    for (name, platform) in names.iter().zip(["linux/amd64", "linux/arm64"]) {
        let import = ["import", "--platform", platform, "-", name];
        docker.run_with(&import, busybox_tar()).ok();
        docker.run(&["push", "-q", name]).ok();
    }
    names
}

/// Exit code, and what was written to both outputs.
type Said = (Option<i32>, String);

/// The stock client, which speaks with registries itself: from where the registry is.
fn stock(engine: &Engine, words: &[&str]) -> Said {
    let client = engine.stock_docker().command(words);
    let mut command = engine.on_host(&client.get_program().to_string_lossy());
    command.args(client.get_args());
    let variables = client.get_envs();
    let variables = variables.filter_map(|(name, value)| Some((name, value?)));
    let out = command.envs(variables).output().expect("docker runs");
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    (out.status.code(), text.trim_end().to_owned())
}

fn ours(engine: &Engine, words: &[&str]) -> Said {
    let answer = engine.gantry().run(words);
    let text = format!("{}{}", answer.out, answer.err);
    (Some(answer.code), text.trim_end().to_owned())
}

/// What is said to both, word by word: `LIST` is the list, `ONE` and `TWO` its images.
const STEPS: &str = "\
create --insecure LIST ONE TWO
create --insecure LIST ONE TWO
annotate LIST TWO --variant v8 --os-features a,b --os-version 1
annotate LIST TWO --os plan10
annotate LIST nothing:1
inspect LIST
inspect -v LIST
inspect LIST TWO
push --insecure LIST
push --insecure --purge LIST
push --insecure LIST
rm LIST
create --insecure LIST 127.0.0.1:5000/none:1
create --insecure 127.0.0.1:5000/x:1 LIST
create --insecure elsewhere.example/x:1 ONE
push --insecure elsewhere.example/x:1
rm elsewhere.example/x:1
";

/// A list that one command line makes is what the other makes, and each pushes what the other made.
#[test]
fn lists_of_manifests_are_the_stock_clients() {
    let engine = Engine::of(Kind::Gantry, &[]);
    let registry = Registry::start(&engine);
    let names = images(&engine);
    let list = format!("{REGISTRY}/team/list:1");
    let all = |line: &str, run: fn(&Engine, &[&str]) -> Said| {
        let mut words = vec!["manifest"];
        words.extend(line.split(' ').map(|word| match word {
            "LIST" => list.as_str(),
            "ONE" => names[0].as_str(),
            "TWO" => names[1].as_str(),
            word => word,
        }));
        run(&engine, &words)
    };
    let theirs: Vec<Said> = STEPS.lines().map(|line| all(line, stock)).collect();
    for (line, theirs) in STEPS.lines().zip(theirs) {
        assert_eq!(all(line, ours), theirs, "{line}");
    }
    assert_eq!(lists(&engine), Vec::<String>::new());
    // Each goes on with what the other began.
    let (create, push) = (
        "create --insecure LIST ONE TWO",
        "push --insecure --purge LIST",
    );
    assert_eq!(all(create, stock).0, Some(0));
    let pushed = all(push, ours);
    assert_eq!(all(create, ours).0, Some(0));
    assert_eq!(lists(&engine).len(), 1);
    assert_eq!((pushed.0, all(push, stock)), (Some(0), pushed.clone()));
    assert_eq!(lists(&engine), Vec::<String>::new());
    let docker = engine.docker();
    docker.run(&["rmi", "-f", &names[0], &names[1]]).ok();
    docker.run(&["pull", "-q", &list]).ok();
    let run = ["run", "--rm", "--network", "none", &list, "true"];
    docker.run(&run).ok();
    drop(registry);
    engine.finish();
}

/// Bytes that do not compress.
fn noise(docker: &Client, name: &str, megabytes: usize) {
    let count = format!("count={megabytes}");
    let make = ["dd", "if=/dev/urandom", "of=/noise", "bs=1M", &count];
    let run = ["run", "--network", "none", "--name", name, BUSYBOX];
    docker.run(&[&run[..], &make[..]].concat()).ok();
}

/// A pull that fills the disk says what would make room, leaves nothing, and works when there is some.
#[test]
fn a_pull_that_fills_the_disk_says_what_would_make_room() {
    let engine = Engine::on_small_disk(Kind::Gantry, "128m");
    let registry = Registry::start(&engine);
    let docker = engine.docker();
    let name = format!("{REGISTRY}/noise:1");
    noise(&docker, "one", 24);
    docker.run(&["commit", "one", &name]).ok();
    put_by_skopeo(&engine, &name);
    docker.run(&["rm", "one"]).ok();
    docker.run(&["rmi", "-f", &name]).ok();
    let free = || {
        let found = rustix::fs::statvfs(engine.data_root()).expect("the disk");
        found.f_bavail * found.f_frsize
    };
    eventually("what was removed is gone", Duration::from_secs(60), || {
        (free() > 80_000_000).then_some(())
    });
    let fill = engine.data_root().join("fill");
    let mut file = std::fs::File::create(&fill).expect("a file");
    while free() > 16_000_000 {
        file.write_all(&vec![1; 1 << 20]).expect("room");
    }
    let refused = docker.run(&["pull", &name]);
    assert_ne!(refused.code, 0);
    let told = refused.err.to_lowercase();
    // The kernel's words, or the standard library's where only the kind of the error was passed on.
    let texts = ["no space left on device", "no storage space"];
    assert!(texts.iter().any(|text| told.contains(text)), "{refused:?}");
    for word in [
        "`docker image prune -a` would free",
        "`docker container prune`",
        "`docker builder prune`",
    ] {
        assert!(refused.err.contains(word), "{refused:?}");
    }
    eventually(
        "nothing of the pull is left",
        Duration::from_secs(60),
        || (free() > 12_000_000).then_some(()),
    );
    drop(file);
    std::fs::remove_file(fill).expect("it is there");
    docker.run(&["pull", "-q", &name]).ok();
    engine.gantry().run(&["system", "fsck"]).ok();
    drop(registry);
    engine.finish();
}
