//! From an address to a commit, and from a commit to a tree.

use std::fs;
use std::path::{Path, PathBuf};

use crate::address::is_commit;
use crate::command::Runner;
use crate::{Address, GitError, tree};

/// How many files a tree may have, and how many bytes.
const FILES_MAX: u64 = 4 << 20;
const BYTES_MAX: u64 = 256 << 30;

/// What reaches a repository, and who is told.
pub struct Access<'a> {
    /// The value of the header `Authorization` for repositories on the web.
    pub authorization: Option<&'a str>,
    /// The socket of an agent.
    pub agent: Option<&'a Path>,
    /// Variables that name proxies and authorities, with their values.
    pub proxies: &'a [(String, String)],
    /// Whether repositories on the host's own disk are reached too; only tests want that.
    pub allows_files: bool,
    /// Is given what `git` says meanwhile.
    pub told: &'a dyn Fn(&[u8]),
    /// Whether nobody wants the repository any more.
    pub is_stopped: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Access<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The header is a secret.
        let mut shown = formatter.debug_struct("Access");
        shown.field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Access<'_> {
    pub(crate) fn protocols(&self) -> &'static str {
        if self.allows_files {
            "file:git:http:https:ssh"
        } else {
            "git:http:https:ssh"
        }
    }
}

/// Whether `.git` stays in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It goes.
    Nothing,
    /// It stays, unless a directory of the repository is meant.
    GitDirectory,
}

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    id: String,
    /// The whole name of the branch or tag that was asked for.
    reference: Option<String>,
}

impl Commit {
    /// Its name: 40 or 64 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// A repository that is fetched.
pub struct Repository<'a> {
    runner: Runner<'a>,
}

impl std::fmt::Debug for Repository<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Repository");
        shown
            .field("remote", &self.runner.address.shown())
            .finish_non_exhaustive()
    }
}

impl<'a> Repository<'a> {
    /// A repository whose files lie beneath an empty directory of the caller's own, who removes it.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn new(
        address: &'a Address,
        access: &'a Access<'a>,
        root: &'a Path,
    ) -> Result<Self, GitError> {
        let runner = Runner {
            address,
            access,
            root,
        };
        runner.prepare()?;
        Ok(Self { runner })
    }

    /// The commit that the address means now.
    ///
    /// # Errors
    /// The repository cannot be reached or has no such commit; it is not the one that was expected.
    pub fn resolve(&self) -> Result<Commit, GitError> {
        let address = self.runner.address;
        let commit = match &address.reference {
            Some(id) if is_commit(id) => Commit {
                id: id.clone(),
                reference: None,
            },
            reference => self.look_up(reference.as_deref())?,
        };
        match &address.checksum {
            Some(wanted) if !commit.id.starts_with(wanted) => Err(GitError::Checksum {
                wanted: wanted.clone(),
                actual: commit.id,
            }),
            _ => Ok(commit),
        }
    }

    fn look_up(&self, reference: Option<&str>) -> Result<Commit, GitError> {
        let names = match reference {
            None => vec!["HEAD".to_owned()],
            Some(name) => {
                let plain = |start: &str| name.strip_prefix(start).unwrap_or(name).to_owned();
                let tag = format!("refs/tags/{}", plain("refs/tags/"));
                // A branch comes before a tag of its name.
                vec![
                    format!("refs/heads/{}", plain("refs/heads/")),
                    format!("{tag}^{{}}"),
                    tag,
                    format!("refs/{}", plain("refs/")),
                ]
            }
        };
        let mut args = vec!["ls-remote", "--quiet", "--", &self.runner.address.remote];
        args.extend(names.iter().map(String::as_str));
        let answer = self.runner.answer(self.runner.root, &args)?;
        let known = |name: &&String| {
            let of = |line: &str| {
                let (id, known) = line.split_once('\t')?;
                (known == name.as_str() && is_commit(id)).then(|| id.to_owned())
            };
            answer.lines().find_map(of)
        };
        let found = names.iter().find_map(|name| Some((known(&name)?, name)));
        let (id, name) = found.ok_or_else(|| GitError::NoReference {
            remote: self.runner.address.shown(),
            reference: reference.unwrap_or("HEAD").to_owned(),
        })?;
        (self.runner.access.told)(format!("{id}\t{name}\n").as_bytes());
        Ok(Commit {
            id,
            reference: Some(name.trim_end_matches("^{}").to_owned()),
        })
    }

    /// Fetches a commit and checks it out, submodules too; answers the directory that is meant.
    ///
    /// # Errors
    /// The commit cannot be had, the tree is too large, the directory is none.
    pub fn check_out(&self, commit: &Commit, keep: Keep) -> Result<PathBuf, GitError> {
        let address = self.runner.address;
        let tree = self.runner.root.join("tree");
        fs::create_dir(&tree).map_err(file(&tree))?;
        self.git(&tree, &["init", "--quiet", "--template="])?;
        self.git(&tree, &["remote", "add", "origin", &address.remote])?;
        self.fetch(&tree, commit)?;
        self.measure(&tree, commit)?;
        self.git(&tree, &["checkout", "--quiet", "--detach", &commit.id])?;
        let time = self
            .runner
            .answer(&tree, &["show", "-s", "--format=%ct", &commit.id])?;
        if address.has_submodules && tree.join(".gitmodules").is_file() {
            self.submodules(&tree)?;
        }
        let git = tree.join(".git");
        let keep = if address.subdir.is_empty() {
            keep
        } else {
            Keep::Nothing
        };
        if keep == Keep::GitDirectory {
            self.git(&tree, &["remote", "set-url", "origin", &address.shown()])?;
            for name in ["FETCH_HEAD", "ORIG_HEAD"] {
                // Neither has to be there.
                let _ = fs::remove_file(git.join(name));
            }
        } else {
            fs::remove_dir_all(&git).map_err(file(&git))?;
        }
        tree::finish(&tree, time.trim().parse().unwrap_or(0), keep)?;
        if address.subdir.is_empty() {
            return Ok(tree);
        }
        tree::is_directory(&tree, &address.subdir).map_err(|reason| GitError::Subdir {
            remote: address.shown(),
            subdir: address.subdir.clone(),
            reason,
        })?;
        Ok(tree.join(&address.subdir))
    }

    /// Fetches no more than the commit if the server lets it, else what it takes.
    fn fetch(&self, tree: &Path, commit: &Commit) -> Result<(), GitError> {
        const ALL: [&str; 2] = [
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/*:refs/tags/*",
        ];
        let name = commit.reference.as_deref().filter(|name| *name != "HEAD");
        let spec = name.map(|name| match name.strip_prefix("refs/heads/") {
            Some(branch) => format!("+{name}:refs/remotes/origin/{branch}"),
            None => format!("+{name}:{name}"),
        });
        let shallow = ["fetch", "--quiet", "--depth=1", "--no-tags", "origin"];
        let mut ways = vec![[&shallow[..], &[commit.id.as_str()]].concat()];
        // A tag is fetched by its name, so that it is there.
        if let Some(spec) = &spec {
            ways.insert(0, [&shallow[..], &[spec.as_str()]].concat());
        }
        ways.push([&["fetch", "--quiet", "origin"], &ALL[..]].concat());
        let is_there = format!("{}^{{commit}}", commit.id);
        let is_there = ["cat-file", "-e", &is_there];
        let mut last = None;
        for way in ways {
            match self.git(tree, &way) {
                Ok(()) if self.git(tree, &is_there).is_ok() => return Ok(()),
                Ok(()) => {}
                Err(error) if is_about_way(&error) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| GitError::NoReference {
            remote: self.runner.address.shown(),
            reference: commit.id.clone(),
        }))
    }

    /// Refuses a commit whose files would be too many or too long: names may stand for one another,
    /// so that a small repository becomes a large tree.
    fn measure(&self, tree: &Path, commit: &Commit) -> Result<(), GitError> {
        let mut measured = Measured::default();
        let args = ["ls-tree", "-r", "-l", "-z", &commit.id];
        self.runner.run(tree, &args, &mut |bytes| {
            measured.read(bytes);
            if measured.files > FILES_MAX {
                return Err(self.runner.too_much("4 million files"));
            }
            if measured.bytes > BYTES_MAX {
                return Err(self.runner.too_much("256 GiB"));
            }
            Ok(())
        })
    }

    fn submodules(&self, tree: &Path) -> Result<(), GitError> {
        let plain = ["submodule", "--quiet", "update", "--init", "--recursive"];
        match self.git(tree, &[&plain[..], &["--depth=1"]].concat()) {
            Err(error) if is_about_way(&error) => self.git(tree, &plain),
            done => done,
        }
    }

    fn git(&self, dir: &Path, args: &[&str]) -> Result<(), GitError> {
        self.runner.run(dir, args, &mut |_| Ok(()))
    }
}

/// Sizes in what `git ls-tree -l -z` writes: `<mode> <kind> <id> <size>\t<name>\0`.
#[derive(Default)]
struct Measured {
    files: u64,
    bytes: u64,
    /// The beginning of an entry, up to its name.
    head: Vec<u8>,
    is_in_name: bool,
}

impl Measured {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.is_in_name, byte) {
                (false, b'\t') => {
                    let head = String::from_utf8_lossy(&self.head);
                    let size = head.split_whitespace().nth(3);
                    let size: u64 = size.and_then(|size| size.parse().ok()).unwrap_or(0);
                    self.bytes = self.bytes.saturating_add(size);
                    self.files += 1;
                    self.head.clear();
                    self.is_in_name = true;
                }
                (false, byte) => self.head.push(*byte),
                (true, 0) => self.is_in_name = false,
                (true, _) => {}
            }
        }
    }
}

/// Whether a server refused only the way it was asked.
fn is_about_way(error: &GitError) -> bool {
    const WORDS: [&str; 4] = ["shallow", "--depth", "not our ref", "unadvertised object"];
    match error {
        GitError::Failed { said, .. } => WORDS.iter().any(|word| said.contains(word)),
        _ => false,
    }
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::Measured;

    #[test]
    fn sizes_are_summed_wherever_the_text_is_cut() {
        let text =
            b"100644 blob aa      12\ta 99\x00120000 blob bb 3\tb\tc\x00160000 commit cc       -\tm\0";
        for cut in 0..text.len() {
            let mut measured = Measured::default();
            measured.read(&text[..cut]);
            measured.read(&text[cut..]);
            assert_eq!((measured.files, measured.bytes), (3, 15), "cut at {cut}");
        }
    }
}
