//! Every case of `stock/copy.cases` against the tree that dockerd 28.5's BuildKit exports for it.
//!
//! The build context is described in `stock/context.txt`. Where this crate answers otherwise on
//! purpose, `stock/differences.expected` holds its own answer, with the reason.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use gantry_build::{CopyError, Tree, copy, make_directory};
use gantry_dockerfile::{Action, Dockerfile, Graph, Options, Origin, Plan, Platform, Source};

#[test]
fn trees_are_as_buildkit_makes_them() {
    let context = tempfile::tempdir().unwrap();
    lay_out(context.path());
    let expected = sections(include_str!("stock/copy.expected"));
    let differences = sections(include_str!("stock/differences.expected"));
    let cases = sections(include_str!("stock/copy.cases"));
    assert!(cases.len() > 70);
    let mut wrong = String::new();
    for (name, text) in &cases {
        let stock = differences.get(name).unwrap_or(&expected[name]);
        let ours = built(text, context.path());
        // Of faults only that there is one: BuildKit's name its own caches.
        let both_fail = stock.starts_with("error ") && ours.starts_with("error ");
        if *stock != ours && !both_fail {
            let _ = write!(
                wrong,
                "### {name}\n{text}--- stock\n{stock}--- ours\n{ours}\n"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for (name, answer) in &differences {
        assert_ne!(expected[name], *answer, "{name} is no difference any more");
    }
}

#[test]
fn faults_name_the_path() {
    let context = tempfile::tempdir().unwrap();
    lay_out(context.path());
    let table = [
        ("COPY nope /x", "\"/nope\": not found"),
        ("COPY out /x", "\"/out\": not found"),
        ("COPY loop /x", "/loop: too many links"),
        ("COPY a /x\nCOPY d /x", "cannot copy to non-directory: /x"),
        (
            "COPY a /x\nCOPY b /x/",
            "mkdir /x: Not a directory (os error 20)",
        ),
        ("COPY --parents d/nope /x", "\"/d/nope\": not found"),
        ("COPY --parents nope/./a /x", "\"/nope/a\": not found"),
        (
            "COPY --chown=you a /x",
            "unable to find user you: no matching entries in passwd file",
        ),
    ];
    for (lines, expected) in table {
        let answer = built(&format!("FROM scratch\n{lines}\n"), context.path());
        assert_eq!(answer, format!("error {expected}\n"), "{lines}");
    }
}

fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut name = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix("### ") {
            next.trim().clone_into(&mut name);
            sections.insert(name.clone(), String::new());
        } else if let Some(section) = sections.get_mut(&name)
            && !line.starts_with("# ")
        {
            section.push_str(line);
        }
    }
    sections
}

/// Makes the build context.
pub(crate) fn lay_out(root: &Path) {
    let mut modes = Vec::new();
    for line in include_str!("stock/context.txt").lines() {
        let (kind, rest) = line.split_once(' ').unwrap();
        match kind {
            "dir" => {
                let (name, mode) = rest.rsplit_once(' ').unwrap();
                fs::create_dir(root.join(name)).unwrap();
                modes.push((root.join(name), mode));
            }
            "file" => {
                let (rest, content) = rest.rsplit_once(' ').unwrap();
                let (name, mode) = rest.rsplit_once(' ').unwrap();
                fs::write(root.join(name), content).unwrap();
                modes.push((root.join(name), mode));
            }
            _ => {
                let (name, target) = rest.rsplit_once(' ').unwrap();
                symlink(target, root.join(name)).unwrap();
            }
        }
    }
    for (path, mode) in modes {
        let mode = u32::from_str_radix(mode, 8).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Builds a Dockerfile of copies and lists the result.
pub(crate) fn built(text: &str, context: &Path) -> String {
    let source = Source::new("Dockerfile", text.as_bytes());
    let options = Options::new(Platform::new("linux", "amd64", ""));
    let planned = Dockerfile::parse(&source).and_then(|file| {
        let graph = Graph::new(&file, &options, &mut Vec::new())?;
        graph.plan(&BTreeMap::new(), &mut Vec::new())
    });
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) => return format!("error {error}\n"),
    };
    let roots = tempfile::tempdir().unwrap();
    match run(&plan, context, roots.path()) {
        Ok(()) => list(&roots.path().join(plan.target.to_string())),
        Err(error) => {
            let mut text = format!("error {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                let _ = write!(text, ": {error}");
                cause = error.source();
            }
            text + "\n"
        }
    }
}

fn run(plan: &Plan, context: &Path, roots: &Path) -> Result<(), CopyError> {
    let open = |path: &Path| Tree::open(path).unwrap();
    for node in &plan.order {
        let root = roots.join(node.to_string());
        fs::create_dir(&root).unwrap();
        for step in &plan.stages[node].steps {
            match &step.action {
                Action::Settings => {}
                Action::Directory { path, user } => make_directory(path, user, &open(&root))?,
                Action::Transfer(transfer) => {
                    let from = match transfer.origin {
                        Origin::Context => open(context),
                        Origin::Node(node) => open(&roots.join(node.to_string())),
                    };
                    copy(transfer, &from, &open(&root))?;
                }
                Action::Run(_) => panic!("no case runs a program"),
            }
        }
    }
    Ok(())
}

/// All entries by path: type, path, mode, owner, content or target.
fn list(root: &Path) -> String {
    let mut lines = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let shown = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let stat = fs::symlink_metadata(&path).unwrap();
            let (kind, rest) = if stat.is_dir() {
                open.push(path.clone());
                ("dir", String::new())
            } else if stat.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                ("link", format!(" -> {}", target.display()))
            } else if stat.file_type().is_fifo() {
                ("fifo", String::new())
            } else {
                let content = fs::read_to_string(&path).unwrap();
                ("file", format!(" '{}'", content.escape_default()))
            };
            let mode = stat.mode() & 0o7777;
            let line = format!(
                "{kind} {shown} {mode:o} {}:{}{rest}\n",
                stat.uid(),
                stat.gid()
            );
            lines.insert(shown, line);
        }
    }
    lines.into_values().collect()
}
