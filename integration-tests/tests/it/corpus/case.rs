//! The cases of the corpus: `### name`, lines `#: word value` of what is asked for beside the
//! Dockerfile, the Dockerfile; and the folder that each is built from.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use integration_tests::image::BUSYBOX;

/// The second that every build takes for now.
pub(super) const EPOCH_S: u64 = 1_700_000_000;

/// A Dockerfile and how it is built.
#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) args: Vec<(String, String)>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) secrets: Vec<(String, String)>,
    pub(super) contexts: Vec<(String, String)>,
    pub(super) hosts: Vec<(String, String)>,
    pub(super) ulimits: Vec<(String, String)>,
    pub(super) ignore: String,
    pub(super) target: Option<String>,
    pub(super) network: Option<String>,
    pub(super) shm_bytes: Option<u64>,
    /// The folder it is built from.
    pub(super) folder: PathBuf,
}

impl Case {
    /// The name of its image.
    pub(super) fn tag(&self) -> String {
        format!("corpus:{}", self.name)
    }

    fn read(name: &str, text: &str) -> Self {
        let mut case = Self {
            name: name.to_owned(),
            args: vec![("SOURCE_DATE_EPOCH".to_owned(), EPOCH_S.to_string())],
            ..Self::default()
        };
        let (mut ends, mut start, mut is_trimmed) = ("\n", "", false);
        for line in text.lines() {
            let Some(asked) = line.strip_prefix("#: ") else {
                case.text.push_str(line);
                case.text.push('\n');
                continue;
            };
            let (word, value) = asked.split_once(' ').unwrap_or((asked, ""));
            let pair = || {
                let (name, value) = value.split_once('=').expect("name=value");
                (name.to_owned(), value.to_owned())
            };
            match word {
                "arg" => case.args.push(pair()),
                "label" => case.labels.push(pair()),
                "secret" => case.secrets.push(pair()),
                "context" => case.contexts.push(pair()),
                "host" => case.hosts.push(pair()),
                "ulimit" => case.ulimits.push(pair()),
                "target" => case.target = Some(value.to_owned()),
                "network" => case.network = Some(value.to_owned()),
                "shm" => case.shm_bytes = Some(value.parse().expect("bytes")),
                "ignore" => case.ignore.push_str(&format!("{value}\n")),
                "crlf" => ends = "\r\n",
                "bom" => start = "\u{feff}",
                "trim" => is_trimmed = true,
                _ => panic!("{name}: {line}"),
            }
        }
        case.text = format!("{start}{}", case.text.replace('\n', ends));
        if is_trimmed {
            case.text = case.text.trim_end().to_owned();
        }
        case
    }
}

/// `### name` and the lines up to the next one, in order.
pub(super) fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("### ") {
            sections.push((name.trim().to_owned(), String::new()));
        } else if let Some((_, section)) = sections.last_mut() {
            section.push_str(line);
        }
    }
    sections
}

/// All cases, each in a folder beneath `root`.
pub(super) fn all(root: &Path) -> Vec<Case> {
    let text = include_str!("cases.txt").replace("BASE", BUSYBOX);
    let cases = sections(&text).into_iter();
    cases
        .map(|(name, text)| {
            let mut case = Case::read(&name, &text);
            case.folder = root.join(&name);
            lay_out(&case.folder);
            fs::write(case.folder.join("Dockerfile"), &case.text).expect("a Dockerfile");
            if !case.ignore.is_empty() {
                fs::write(case.folder.join(".dockerignore"), &case.ignore).expect("a file");
            }
            for (name, value) in &case.secrets {
                let file = root.join(format!("{}.{name}", case.name));
                fs::write(file, value).expect("a secret");
            }
            case
        })
        .collect()
}

/// Files of all kinds.
fn lay_out(root: &Path) {
    for directory in ["d/sub", "deep/x/y", "empty", "e", "sticky"] {
        fs::create_dir_all(root.join(directory)).expect("a folder");
    }
    let files: [(&str, &[u8], u32); 16] = [
        ("a", b"one\n", 0o644),
        ("b", b"two\n", 0o755),
        ("sp ace", b"space", 0o644),
        ("ünï", b"letters", 0o644),
        (".hidden", b"hidden", 0o644),
        ("build.log", b"log", 0o644),
        ("d/1", b"d1", 0o644),
        ("d/2", b"d2", 0o600),
        ("d/sub/3", b"d3", 0o644),
        ("deep/x/y/z.txt", b"z", 0o644),
        ("deep/x/w.txt", b"w", 0o644),
        ("deep/x/w.md", b"md", 0o644),
        ("setuid", b"s", 0o4755),
        ("old", b"old", 0o644),
        ("big", &[b'x'; 300_000], 0o644),
        ("a.tar", &archive(), 0o644),
    ];
    for (name, bytes, mode) in files {
        let path = root.join(name);
        fs::write(&path, bytes).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    for (directory, mode) in [("d/sub", 0o700), ("empty", 0o750), ("sticky", 0o1777)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(root.join(directory), mode).expect("a mode");
    }
    for (target, name) in [
        ("d/1", "l"),
        ("d", "ld"),
        ("d/sub", "lsub"),
        ("1", "d/link"),
        ("/a", "d/abs"),
    ] {
        symlink(target, root.join(name)).expect("a link");
    }
    // Older than the epoch, and not on a whole second.
    let old = UNIX_EPOCH + Duration::from_millis(1_600_000_000_500);
    let file = fs::File::options().write(true).open(root.join("old"));
    file.and_then(|file| file.set_modified(old))
        .expect("a time");
}

/// An archive of a folder with a file and a link.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(1_000_000_000);
        header.set_size(size);
        header
    };
    let mut folder = header(tar::EntryType::Directory, 0o750, 0);
    tar.append_data(&mut folder, "in/", &b""[..])
        .expect("a folder");
    let mut file = header(tar::EntryType::Regular, 0o640, 2);
    tar.append_data(&mut file, "in/f", &b"hi"[..])
        .expect("a file");
    let mut link = header(tar::EntryType::Symlink, 0o777, 0);
    tar.append_link(&mut link, "in/l", "f").expect("a link");
    tar.into_inner().expect("an archive")
}
