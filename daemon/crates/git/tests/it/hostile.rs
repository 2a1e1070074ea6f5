//! Repositories, servers and hosts that mean harm.

use std::cell::Cell;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use gantry_git::{Access, Address, GitError, Keep, Repository};

use crate::made::Made;

#[test]
fn nothing_of_a_repository_is_run() {
    let made = Made::new();
    let mark = made.path("mark");
    // What a checkout runs: a filter that only configuration could name, and hooks.
    fs::write(made.path("x/.gitattributes"), "* filter=evil\n").unwrap();
    fs::create_dir_all(made.path("x/hooks")).unwrap();
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    for name in ["post-checkout", "post-merge", "reference-transaction"] {
        let hook = made.path("x/hooks").join(name);
        fs::write(&hook, &script).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    made.commit("x");
    made.fetch("", Keep::GitDirectory).unwrap();
    assert!(!mark.exists());
}

#[test]
fn submodules_use_the_same_transports() {
    let made = Made::new();
    let mark = made.path("mark");
    for url in [
        format!("ext::sh -c 'touch {}'", mark.display()),
        format!("--upload-pack=touch {}", mark.display()),
    ] {
        made.git(&[
            "-C",
            "x",
            "config",
            "-f",
            ".gitmodules",
            "submodule.mod.url",
            &url,
        ]);
        made.commit("x");
        assert!(made.fetch("", Keep::Nothing).is_err(), "{url}");
        assert!(!mark.exists(), "{url}");
    }
    // Those that are not wanted are not looked at.
    assert!(made.fetch("?submodules=false", Keep::Nothing).is_ok());
}

#[test]
fn files_of_the_host_are_no_repository() {
    let made = Made::new();
    let address = Address::parse("https://h/x.git").unwrap().unwrap();
    let address = address.with_remote(&format!("file://{}", made.path("x").display()));
    let root = tempfile::tempdir().unwrap();
    let access = Access {
        authorization: None,
        agent: None,
        proxies: &[],
        allows_files: false,
        told: &|_| (),
        is_stopped: &|| false,
    };
    let repository = Repository::new(&address, &access, root.path()).unwrap();
    let error = repository.resolve().unwrap_err().to_string();
    assert!(error.contains("transport 'file' not allowed"), "{error}");
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("git://{}/x", server.local_addr().unwrap());
    let address = Address::parse(&text).unwrap().unwrap();
    let root = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let asked = Cell::new(0);
    let access = Access {
        authorization: None,
        agent: None,
        proxies: &[],
        allows_files: false,
        told: &|_| (),
        is_stopped: &|| {
            asked.set(asked.get() + 1);
            asked.get() > 5
        },
    };
    let repository = Repository::new(&address, &access, root.path()).unwrap();
    let error = repository.resolve().unwrap_err();
    assert!(matches!(error, GitError::Stopped), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}
