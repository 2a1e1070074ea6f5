//! Repositories on the disk, made for a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gantry_git::{Access, Address, Commit, GitError, Keep, Repository};

/// A folder with repositories.
pub(crate) struct Made {
    pub(crate) root: tempfile::TempDir,
}

/// When every commit was made.
pub(crate) const MADE_S: i64 = 1_000_000_000;

impl Made {
    /// `x`, whose branch `main` has a submodule, with the branch `dev` and two tags of the first commit.
    pub(crate) fn new() -> Self {
        let made = Self {
            root: tempfile::tempdir().expect("it can be done"),
        };
        let lib = made.path("lib");
        made.git(&["init", "-q", "-b", "main", "lib"]);
        fs::write(lib.join("lib.txt"), "lib\n").expect("it can be done");
        made.commit("lib");
        made.git(&["init", "-q", "-b", "main", "x"]);
        let x = made.path("x");
        fs::create_dir_all(x.join("sub/deep")).expect("it can be done");
        for (name, text) in [
            ("a.txt", "one\n"),
            ("run.sh", "#!/bin/sh\n"),
            ("sub/b.txt", "b\n"),
        ] {
            fs::write(x.join(name), text).expect("it can be done");
        }
        fs::write(x.join("sub/deep/c"), "c\n").expect("it can be done");
        std::os::unix::fs::symlink("sub", x.join("link")).expect("it can be done");
        std::os::unix::fs::symlink("/etc", x.join("out")).expect("it can be done");
        let chmod = Command::new("chmod")
            .arg("700")
            .arg(x.join("run.sh"))
            .status();
        assert!(chmod.expect("it can be done").success());
        made.commit("x");
        made.git(&["-C", "x", "tag", "v1"]);
        made.git(&["-C", "x", "tag", "-a", "-m", "t", "noted"]);
        made.git(&["-C", "x", "checkout", "-q", "-b", "dev"]);
        fs::write(x.join("dev.txt"), "dev\n").expect("it can be done");
        made.commit("x");
        made.git(&["-C", "x", "branch", "v1"]);
        made.git(&["-C", "x", "checkout", "-q", "main"]);
        made.git(&["-C", "x", "submodule", "--quiet", "add", "../lib", "mod"]);
        made.commit("x");
        made
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Runs `git` as whoever wrote the repository.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command
            .args(["-c", "protocol.file.allow=always"])
            .args(args);
        command
            .current_dir(self.root.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "n");
            command.env(format!("GIT_{who}_EMAIL"), "e@h");
            command.env(format!("GIT_{who}_DATE"), format!("{MADE_S} +0000"));
        }
        let done = command
            .output()
            .expect("git is installed: run `cargo xtask test`");
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8(done.stdout)
            .expect("it can be done")
            .trim()
            .to_owned()
    }

    pub(crate) fn commit(&self, name: &str) {
        self.git(&["-C", name, "add", "."]);
        self.git(&["-C", name, "commit", "-q", "-m", "m"]);
    }

    /// Fetches what an address of `x` means into a new folder; the address lies on the disk.
    pub(crate) fn fetch(&self, rest: &str, keep: Keep) -> Result<Fetched, GitError> {
        self.fetch_at("x", rest, keep)
    }

    pub(crate) fn fetch_at(&self, name: &str, rest: &str, keep: Keep) -> Result<Fetched, GitError> {
        // The transport is another one, so the address is made by hand of a sound one.
        let address = Address::parse(&format!("https://h/x.git{rest}"))?.expect("it can be done");
        let remote = format!("file://{}", self.path(name).display());
        let address = address.with_remote(&remote);
        let root = tempfile::tempdir().expect("it can be done");
        let access = Access {
            authorization: None,
            agent: None,
            proxies: &[],
            allows_files: true,
            told: &|_| (),
            is_stopped: &|| false,
        };
        let (commit, tree) = {
            let repository = Repository::new(&address, &access, root.path())?;
            let commit = repository.resolve()?;
            let tree = repository.check_out(&commit, keep)?;
            (commit, tree)
        };
        Ok(Fetched {
            _root: root,
            commit,
            tree,
        })
    }
}

/// A tree, removed when it is dropped.
pub(crate) struct Fetched {
    _root: tempfile::TempDir,
    pub(crate) commit: Commit,
    pub(crate) tree: PathBuf,
}

impl Fetched {
    /// Names, modes and times, sorted.
    pub(crate) fn list(&self) -> Vec<String> {
        let mut list = Vec::new();
        walk(&self.tree, &self.tree, &mut list);
        list.sort();
        list
    }
}

fn walk(root: &Path, directory: &Path, list: &mut Vec<String>) {
    use std::os::unix::fs::MetadataExt;
    for entry in fs::read_dir(directory).expect("it can be done") {
        let path = entry.expect("it can be done").path();
        let about = path.symlink_metadata().expect("it can be done");
        let name = path
            .strip_prefix(root)
            .expect("it can be done")
            .display()
            .to_string();
        if name == ".git" {
            list.push(name);
            continue;
        }
        list.push(format!("{name} {:o} {}", about.mode(), about.mtime()));
        if about.is_dir() {
            walk(root, &path, list);
        }
    }
}
