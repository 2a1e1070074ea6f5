//! What is built: a folder, a tar from standard input, or a Dockerfile alone.
//!
//! A folder is sent as a tar without what its ignore file leaves out; the engine applies the same file
//! again, so that the two need not agree on every corner.

use std::fs;
use std::io::{self, Cursor, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use gantry_dockerfile::Patterns;
use tar::{Builder, Header};

use crate::archive::append_one;

/// How much of standard input tells whether it is a tar.
const HEAD_BYTES: usize = 512;

/// The most bytes of a Dockerfile from standard input.
const DOCKERFILE_BYTES_MAX: u64 = 4 << 20;

/// Addresses that a context may have in docker.
const REMOTE: [&str; 5] = ["http://", "https://", "git://", "git@", "github.com/"];

/// What is built.
#[derive(Debug)]
pub(super) enum Source {
    /// A folder.
    Folder {
        /// Where it is.
        root: PathBuf,
        /// The Dockerfile's path in it.
        dockerfile: String,
        /// The Dockerfile's text where it does not lie in the folder: it is sent under that name.
        outside: Option<Vec<u8>>,
        /// The text of the ignore file that applies.
        ignore: String,
    },
    /// A tar that standard input holds, sent as it is.
    Archive {
        /// Its first bytes, read already; none once it was sent.
        head: Mutex<Option<Vec<u8>>>,
        /// The Dockerfile's path in it.
        dockerfile: String,
    },
    /// A Dockerfile without any files.
    Alone {
        /// Its text.
        text: Vec<u8>,
    },
}

impl Source {
    /// Finds out what `PATH | URL | -` and `--file` mean.
    pub(super) fn find(place: &str, file: Option<&str>) -> Result<Self> {
        if place == "-" {
            return Self::standard_input(file);
        }
        let root = PathBuf::from(place);
        if !root.exists() && REMOTE.iter().any(|start| place.starts_with(start)) {
            bail!("a build context from an address is not built yet: {place}");
        }
        let Ok(found) = fs::metadata(&root) else {
            bail!("unable to prepare context: path \"{place}\" not found");
        };
        let is_folder = found.is_dir();
        if !is_folder {
            bail!("unable to prepare context: context must be a directory: {place}");
        }
        let (dockerfile, outside) = dockerfile(&root, file)?;
        let ignore = [
            format!("{dockerfile}.dockerignore"),
            ".dockerignore".to_owned(),
        ];
        let ignore = ignore
            .iter()
            .find_map(|name| fs::read(root.join(name)).ok());
        Ok(Self::Folder {
            ignore: String::from_utf8_lossy(&ignore.unwrap_or_default()).into_owned(),
            root,
            dockerfile,
            outside,
        })
    }

    fn standard_input(file: Option<&str>) -> Result<Self> {
        if file == Some("-") {
            bail!("invalid argument: can't use stdin for both build context and dockerfile");
        }
        if io::stdin().is_terminal() {
            bail!("standard input is a terminal: a Dockerfile or a tar is expected there");
        }
        let mut head = Vec::new();
        io::stdin()
            .lock()
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)?;
        if is_archive(&head) {
            let dockerfile = file.unwrap_or("Dockerfile").to_owned();
            let head = Mutex::new(Some(head));
            return Ok(Self::Archive { head, dockerfile });
        }
        if let Some(file) = file {
            bail!(
                "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles: {file}"
            );
        }
        io::stdin()
            .lock()
            .take(DOCKERFILE_BYTES_MAX)
            .read_to_end(&mut head)?;
        Ok(Self::Alone { text: head })
    }

    /// The same to be sent, now and perhaps once more; what standard input holds can be sent once.
    pub(super) fn again(&self) -> Result<Self> {
        Ok(match self {
            Self::Archive { head, dockerfile } => {
                let head = head.lock().unwrap_or_else(PoisonError::into_inner).take();
                let again = "a tar from standard input can be built once: \
                    --verify, and files beside an image, need a folder";
                Self::Archive {
                    head: Mutex::new(Some(head.context(again)?)),
                    dockerfile: dockerfile.clone(),
                }
            }
            Self::Alone { text } => Self::Alone { text: text.clone() },
            Self::Folder {
                root,
                dockerfile,
                outside,
                ignore,
            } => Self::Folder {
                root: root.clone(),
                dockerfile: dockerfile.clone(),
                outside: outside.clone(),
                ignore: ignore.clone(),
            },
        })
    }

    /// The Dockerfile's path in what is sent.
    pub(super) fn dockerfile(&self) -> &str {
        match self {
            Self::Folder { dockerfile, .. } | Self::Archive { dockerfile, .. } => dockerfile,
            Self::Alone { .. } => "Dockerfile",
        }
    }

    /// The Dockerfile's text and the ignore file's, for questions that are answered here.
    pub(super) fn text(&self) -> Result<(Vec<u8>, &str)> {
        match self {
            Self::Folder {
                root,
                dockerfile,
                outside,
                ignore,
            } => {
                let text = match outside {
                    Some(text) => text.clone(),
                    None => fs::read(root.join(dockerfile))
                        .with_context(|| format!("failed to read dockerfile: open {dockerfile}"))?,
                };
                Ok((text, ignore))
            }
            Self::Alone { text } => Ok((text.clone(), "")),
            Self::Archive { .. } => bail!("a tar from standard input cannot be checked or drawn"),
        }
    }

    /// Writes the tar that is sent.
    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Archive { head, .. } => {
                let head = head.into_inner().unwrap_or_else(PoisonError::into_inner);
                let mut whole = Cursor::new(head.unwrap_or_default()).chain(io::stdin().lock());
                io::copy(&mut whole, out).map(drop)
            }
            Self::Alone { text } => {
                let mut builder = Builder::new(out);
                append_text(&mut builder, "Dockerfile", &text)?;
                builder.into_inner()?.flush()
            }
            Self::Folder {
                root,
                dockerfile,
                outside,
                ignore,
            } => folder(&root, (&dockerfile, outside), &ignore, out),
        }
    }
}

/// The Dockerfile's path in the folder, and its text if it lies elsewhere.
fn dockerfile(root: &Path, file: Option<&str>) -> Result<(String, Option<Vec<u8>>)> {
    let outside = |text| {
        // A name that nothing else has.
        let name = format!(".dockerfile.{}", std::process::id());
        Ok((name, Some(text)))
    };
    let Some(file) = file else {
        let name = if !root.join("Dockerfile").exists() && root.join("dockerfile").exists() {
            "dockerfile"
        } else {
            "Dockerfile"
        };
        return Ok((name.to_owned(), None));
    };
    if file == "-" {
        let mut text = Vec::new();
        io::stdin()
            .lock()
            .take(DOCKERFILE_BYTES_MAX)
            .read_to_end(&mut text)?;
        return outside(text);
    }
    let missing = || {
        format!(
            "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat {file}: no such file or directory"
        )
    };
    let whole = fs::canonicalize(file).with_context(missing)?;
    match whole.strip_prefix(fs::canonicalize(root)?) {
        Ok(inside) => Ok((inside.display().to_string(), None)),
        Err(_) => outside(fs::read(&whole).with_context(|| format!("open {file}"))?),
    }
}

/// A folder's files as a tar, but for what is left out. The Dockerfile and the ignore files are always
/// sent: the engine reads them.
fn folder(
    root: &Path,
    (dockerfile, outside): (&str, Option<Vec<u8>>),
    ignore: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let patterns = Patterns::read(ignore).map_err(io::Error::other)?;
    let mut builder = Builder::new(out);
    builder.follow_symlinks(false);
    builder.sparse(false);
    let always = [
        dockerfile.to_owned(),
        format!("{dockerfile}.dockerignore"),
        ".dockerignore".to_owned(),
    ];
    let mut packer = Packer {
        root,
        patterns,
        always,
    };
    packer.directory(Path::new(""), &mut builder)?;
    if let Some(text) = outside {
        append_text(&mut builder, dockerfile, &text)?;
        // No step sees what does not lie in the folder.
        let name = format!("{dockerfile}.dockerignore");
        let ignore = format!("{ignore}\n{dockerfile}\n{name}\n");
        append_text(&mut builder, &name, ignore.as_bytes())?;
    }
    builder.into_inner()?.flush()
}

struct Packer<'a> {
    root: &'a Path,
    patterns: Patterns,
    always: [String; 3],
}

impl Packer<'_> {
    fn directory(
        &mut self,
        within: &Path,
        builder: &mut Builder<&mut dyn Write>,
    ) -> io::Result<()> {
        let list = fs::read_dir(self.root.join(within))?;
        let mut names: Vec<_> = list
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<_>>()?;
        names.sort();
        for name in names {
            let path = within.join(name);
            let source = self.root.join(&path);
            let text = path.to_string_lossy();
            let is_kept = self.always.iter().any(|name| *name == text);
            let leads = self
                .always
                .iter()
                .any(|name| Path::new(name).starts_with(&path));
            let is_out = !is_kept && self.patterns.matches(&text);
            if !is_out {
                if append_one(builder, &source, &path)? {
                    self.directory(&path, builder)?;
                }
            } else if (leads || self.patterns.has_exceptions())
                && fs::symlink_metadata(&source)?.is_dir()
            {
                // Something in it may be kept; its own entry is made by the engine.
                self.directory(&path, builder)?;
            }
        }
        Ok(())
    }
}

fn append_text(builder: &mut Builder<&mut dyn Write>, name: &str, text: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    builder.append_data(&mut header, name, text)
}

/// Whether bytes begin a tar, or one that is compressed.
fn is_archive(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    let is_tar = head.get(257..262) == Some(b"ustar".as_slice());
    is_tar || MAGICS.iter().any(|magic| head.starts_with(magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: Source) -> Vec<String> {
        let mut bytes = Vec::new();
        source.write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn a_folder_is_sent_without_what_is_ignored() {
        let root = tempfile::tempdir().unwrap();
        for path in ["Dockerfile", "a/keep", "a/drop", "b/x", "top.log"] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "FROM scratch\n").unwrap();
        }
        let ignore = "Dockerfile\na\n!a/keep\nb\n*.log\n.dockerignore\n";
        fs::write(root.path().join(".dockerignore"), ignore).unwrap();
        let place = root.path().to_str().unwrap();
        let found = Source::find(place, None).unwrap();
        assert_eq!(found.dockerfile(), "Dockerfile");
        assert_eq!(names(found), [".dockerignore", "Dockerfile", "a/keep"]);
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        fs::write(elsewhere.path(), "FROM busybox\n").unwrap();
        let found = Source::find(place, elsewhere.path().to_str()).unwrap();
        let name = found.dockerfile().to_owned();
        assert!(name.starts_with(".dockerfile."));
        let sent = names(found);
        assert_eq!(
            sent[sent.len() - 2..],
            [name.clone(), format!("{name}.dockerignore")]
        );
    }

    #[test]
    fn what_cannot_be_built_is_named() {
        let table = [
            (
                "/nowhere/at/all",
                "unable to prepare context: path \"/nowhere/at/all\" not found",
            ),
            (
                "https://example.com/a.git",
                "a build context from an address is not built yet: https://example.com/a.git",
            ),
        ];
        for (place, said) in table {
            assert_eq!(Source::find(place, None).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn tars_are_told_from_dockerfiles() {
        let mut bytes = Vec::new();
        Source::Alone {
            text: b"FROM scratch\n".to_vec(),
        }
        .write(&mut bytes)
        .unwrap();
        assert!(is_archive(&bytes[..HEAD_BYTES]));
        assert!(is_archive(b"\x1f\x8b\x08"));
        assert!(!is_archive(b"FROM scratch\n"));
    }
}
