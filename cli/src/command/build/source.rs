//! What is built: a folder, what lies at an address, a tar from standard input, or a Dockerfile alone.
//!
//! A folder is sent as a tar without what its ignore file leaves out; the engine applies the same file
//! again, so that the two need not agree on every corner.

use std::fs;
use std::io::{self, Cursor, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};
use tar::Builder;

use super::pack::{append_text, folder};

/// How much of standard input tells whether it is a tar.
const HEAD_BYTES: usize = 512;

/// The most bytes of a Dockerfile from standard input.
const DOCKERFILE_BYTES_MAX: u64 = 4 << 20;

/// How addresses begin that a context may have.
const ADDRESSES: [&str; 6] = [
    "http://",
    "https://",
    "git://",
    "ssh://",
    "git@",
    "github.com/",
];

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
    /// A repository, an archive or a Dockerfile that the engine fetches.
    Remote {
        /// Where it lies.
        address: String,
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
        if is_address(place) && !root.exists() {
            if file == Some("-") {
                bail!("a Dockerfile from standard input needs a folder, not an address: {place}");
            }
            return Ok(Self::Remote {
                address: place.to_owned(),
                dockerfile: file.unwrap_or("Dockerfile").to_owned(),
            });
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
            Self::Remote {
                address,
                dockerfile,
            } => Self::Remote {
                address: address.clone(),
                dockerfile: dockerfile.clone(),
            },
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
            Self::Folder { dockerfile, .. }
            | Self::Archive { dockerfile, .. }
            | Self::Remote { dockerfile, .. } => dockerfile,
            Self::Alone { .. } => "Dockerfile",
        }
    }

    /// Where the engine fetches the files, if they are not sent.
    pub(super) fn remote(&self) -> Option<&str> {
        match self {
            Self::Remote { address, .. } => Some(address),
            Self::Folder { .. } | Self::Archive { .. } | Self::Alone { .. } => None,
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
            Self::Remote { address, .. } => {
                bail!("what lies at an address cannot be checked or drawn: {address}")
            }
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
            Self::Remote { .. } => Ok(()),
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

/// Whether a place is one that the engine fetches files from.
pub(super) fn is_address(place: &str) -> bool {
    ADDRESSES.iter().any(|start| place.starts_with(start))
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
    // The text tells the cause already.
    let whole = fs::canonicalize(file).map_err(|_| anyhow!(missing()))?;
    match whole.strip_prefix(fs::canonicalize(root)?) {
        Ok(inside) => Ok((inside.display().to_string(), None)),
        Err(_) => outside(fs::read(&whole).with_context(|| format!("open {file}"))?),
    }
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
    fn what_is_not_there_is_named_and_addresses_are_the_engines() {
        let place = "/nowhere/at/all";
        let said = "unable to prepare context: path \"/nowhere/at/all\" not found";
        assert_eq!(Source::find(place, None).unwrap_err().to_string(), said);
        let place = "https://example.com/a.git#main:sub";
        let found = Source::find(place, Some("other")).unwrap();
        assert_eq!((found.remote(), found.dockerfile()), (Some(place), "other"));
        let said =
            format!("a Dockerfile from standard input needs a folder, not an address: {place}");
        assert_eq!(
            Source::find(place, Some("-")).unwrap_err().to_string(),
            said
        );
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
