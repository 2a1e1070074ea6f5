//! `--output`: the target's files into a folder or a tar, or the image as an archive.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail};

use crate::archive::{Layout, unpack};
use crate::flags::csv;

/// Pieces under way between the engine's stream and whoever writes them.
const IN_FLIGHT: usize = 8;

/// What becomes of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The image stays in the engine.
    Image,
    /// The files, into a folder.
    Directory(String),
    /// The files as a tar; none for standard output.
    Tar(Option<String>),
    /// The image as an archive of docker's; none for standard output.
    Archive(Option<String>),
}

impl Output {
    /// Reads the flag: `type=…,dest=…`, a folder, or `-`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let fields = csv(text)?;
        if let [only] = fields.as_slice()
            && !only.contains('=')
        {
            return Ok(match only.as_str() {
                "-" => Self::Tar(None),
                folder => Self::Directory(folder.to_owned()),
            });
        }
        let (mut kind, mut dest) = (String::new(), None);
        for field in fields {
            let split = field.split_once('=');
            let (key, value) = split.with_context(|| format!("invalid value {field}"))?;
            match key.to_ascii_lowercase().as_str() {
                "type" => value.clone_into(&mut kind),
                "dest" => dest = Some(value.to_owned()),
                _ => bail!("the option {key} of --output is not built yet"),
            }
        }
        let file = dest.clone().filter(|dest| dest != "-");
        match (kind.as_str(), dest) {
            ("", _) => bail!("type is required for output"),
            ("image", None) => Ok(Self::Image),
            ("docker", None) => Ok(Self::Image),
            ("docker", Some(_)) => Ok(Self::Archive(file)),
            ("tar", _) => Ok(Self::Tar(file)),
            ("local", Some(dest)) => Ok(Self::Directory(dest)),
            ("local", None) => bail!("dest is required for local output"),
            (kind, _) => bail!("output type {kind} is not built yet"),
        }
    }
}

/// Whoever takes the pieces of a tar: one writer for each folder and each file.
#[derive(Default)]
pub(super) struct Files {
    to: Vec<SyncSender<Vec<u8>>>,
    writers: Vec<JoinHandle<Result<()>>>,
}

impl Files {
    /// Makes the folders and the files.
    pub(super) fn open(outputs: &[Output]) -> Result<Self> {
        let mut files = Self::default();
        for output in outputs {
            let (to, from) = sync_channel(IN_FLIGHT);
            let pieces = Pieces {
                from,
                piece: Vec::new(),
                at: 0,
            };
            if let Some(writer) = output.write(pieces)? {
                files.to.push(to);
                files.writers.push(writer);
            }
        }
        Ok(files)
    }

    /// Takes a piece. A writer that has failed says so at the end.
    pub(super) fn take(&self, piece: &[u8]) {
        for to in &self.to {
            let _ = to.send(piece.to_vec());
        }
    }

    /// Waits for the writers; the first that failed.
    pub(super) fn finish(self) -> Result<()> {
        drop(self.to);
        let ends = self.writers.into_iter();
        let ends = ends.map(|writer| writer.join().expect("writing does not panic"));
        ends.fold(Ok(()), Result::and)
    }
}

impl Output {
    /// Whether it is made of the target's files, which the engine sends instead of keeping an image.
    pub(super) const fn is_files(&self) -> bool {
        matches!(self, Self::Directory(_) | Self::Tar(_))
    }

    pub(super) const fn is_on_stdout(&self) -> bool {
        matches!(self, Self::Tar(None) | Self::Archive(None))
    }

    /// Starts whoever writes the target's files; none if they are not wanted.
    fn write(&self, mut pieces: Pieces) -> Result<Option<JoinHandle<Result<()>>>> {
        let writer = match self {
            Self::Image | Self::Archive(_) => return Ok(None),
            Self::Directory(folder) => {
                fs::create_dir_all(folder).with_context(|| format!("mkdir {folder}"))?;
                let folder = folder.clone();
                std::thread::spawn(move || {
                    for left_out in unpack(&mut pieces, folder.as_ref(), &Layout::default())? {
                        writeln!(io::stderr(), "not written: {left_out}")?;
                    }
                    Ok(io::copy(&mut pieces, &mut io::sink()).map(drop)?)
                })
            }
            Self::Tar(path) => {
                let mut file: Box<dyn Write + Send> = match path {
                    Some(path) => {
                        Box::new(File::create(path).with_context(|| format!("open {path}"))?)
                    }
                    None => Box::new(io::stdout()),
                };
                std::thread::spawn(move || {
                    io::copy(&mut pieces, &mut file)?;
                    Ok(file.flush()?)
                })
            }
        };
        Ok(Some(writer))
    }
}

/// The pieces as a reader.
struct Pieces {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.from.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                Err(_) => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len() - self.at);
        buffer[..length].copy_from_slice(&self.piece[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read() {
        let table = [
            ("out", Output::Directory("out".to_owned())),
            ("-", Output::Tar(None)),
            ("type=tar,dest=a.tar", Output::Tar(Some("a.tar".to_owned()))),
            ("type=local,dest=d", Output::Directory("d".to_owned())),
            ("type=docker,dest=-", Output::Archive(None)),
            ("type=image", Output::Image),
        ];
        for (text, want) in table {
            assert_eq!(Output::parse(text).unwrap(), want, "{text}");
        }
        for (text, said) in [
            ("type=oci,dest=x", "output type oci is not built yet"),
            ("type=local", "dest is required for local output"),
            ("dest=x", "type is required for output"),
            (
                "type=tar,compression=zstd",
                "the option compression of --output is not built yet",
            ),
        ] {
            assert_eq!(Output::parse(text).unwrap_err().to_string(), said);
        }
    }
}
