//! What an address brings.

use std::fs;

use gantry_git::{GitError, Keep};

use crate::made::{MADE_S, Made};

#[test]
fn a_tree_is_the_same_wherever_it_is_made() {
    let made = Made::new();
    let first = made.fetch("", Keep::Nothing).unwrap();
    let second = made.fetch("#refs/heads/main", Keep::Nothing).unwrap();
    assert_eq!(
        first.commit.id(),
        made.git(&["-C", "x", "rev-parse", "main"])
    );
    assert_eq!(first.list(), second.list());
    let at = |line: &str| format!("{line} {MADE_S}");
    let wanted = [
        ".gitmodules 100644",
        "a.txt 100644",
        "link 120777",
        "mod 40755",
        "mod/lib.txt 100644",
        "out 120777",
        "run.sh 100755",
        "sub 40755",
        "sub/b.txt 100644",
        "sub/deep 40755",
        "sub/deep/c 100644",
    ];
    assert_eq!(first.list(), wanted.map(at));
}

#[test]
fn branches_tags_commits_and_directories() {
    let made = Made::new();
    let has_dev = |rest: &str| {
        let fetched = made.fetch(rest, Keep::Nothing);
        let fetched = fetched.unwrap_or_else(|error| panic!("{rest}: {error}"));
        fetched.tree.join("dev.txt").exists()
    };
    let dev = made.git(&["-C", "x", "rev-parse", "dev"]);
    let noted = made.git(&["-C", "x", "rev-parse", "noted"]);
    assert!(has_dev("#dev"));
    assert!(has_dev(&format!("#{dev}")));
    assert!(has_dev(&format!("?checksum={}&ref=dev", &dev[..8])));
    assert!(!has_dev("#noted"));
    // The name of a tag that is an object of its own.
    assert!(!has_dev(&format!("#{noted}")));
    // A branch comes before a tag of its name.
    assert!(has_dev("#v1"));
    assert!(!has_dev("?tag=v1"));
    let deep = made.fetch("#dev:sub/deep", Keep::GitDirectory).unwrap();
    assert_eq!(deep.list(), [format!("c 100644 {MADE_S}")]);
}

#[test]
fn the_git_directory_can_be_kept() {
    let made = Made::new();
    let kept = made.fetch("#noted", Keep::GitDirectory).unwrap();
    let path = kept.tree.to_str().unwrap();
    assert_eq!(made.git(&["-C", path, "status", "--short"]), "");
    assert_eq!(made.git(&["-C", path, "describe"]), "noted");
    assert_eq!(
        made.git(&["-C", path, "rev-parse", "HEAD"]),
        kept.commit.id()
    );
    assert!(!kept.tree.join(".git/FETCH_HEAD").exists());
    let kept = made.fetch("", Keep::GitDirectory).unwrap();
    let path = kept.tree.join("mod");
    let log = made.git(&["-C", path.to_str().unwrap(), "log", "--format=%s"]);
    assert_eq!(log, "m");
}

#[test]
fn what_is_not_there_is_told() {
    let made = Made::new();
    let said = |rest: &str| match made.fetch(rest, Keep::Nothing) {
        Ok(_) => panic!("{rest} is there"),
        Err(error) => error.to_string(),
    };
    assert!(said("#none").starts_with("repository does not contain ref none"));
    assert!(said("#5011f16").starts_with("repository does not contain ref 5011f16"));
    let none = "0".repeat(40);
    assert!(
        said(&format!("#{none}")).contains(&none[..7]),
        "{}",
        said(&format!("#{none}"))
    );
    assert!(
        said("?ref=dev&checksum=0000000").starts_with("expected checksum to match 0000000, got ")
    );
    for (subdir, why) in [
        ("none", "no such directory"),
        ("a.txt", "a part of the path is no directory"),
        ("link", "a part of the path is no directory"),
        ("link/deep", "a part of the path is no directory"),
        ("out", "a part of the path is no directory"),
    ] {
        let said = said(&format!("#main:{subdir}"));
        assert!(
            said.starts_with(&format!("invalid subdir /{subdir}: {why}")),
            "{said}"
        );
    }
    let gone = made.fetch_at("nothing", "", Keep::Nothing);
    assert!(matches!(gone, Err(GitError::Failed { .. })));
}

#[test]
fn a_server_that_hands_out_its_branches_alone_is_asked_for_them() {
    let made = Made::new();
    made.git(&[
        "-C",
        "x",
        "config",
        "uploadpack.allowAnySHA1InWant",
        "false",
    ]);
    made.git(&["-C", "x", "config", "protocol.version", "0"]);
    made.git(&["-C", "x", "checkout", "-q", "dev"]);
    let first = made.git(&["-C", "x", "rev-parse", "dev~1"]);
    let fetched = made.fetch(&format!("#{first}"), Keep::Nothing).unwrap();
    assert!(!fetched.tree.join("dev.txt").exists());
    assert_eq!(
        fs::read_to_string(fetched.tree.join("a.txt")).unwrap(),
        "one\n"
    );
}
