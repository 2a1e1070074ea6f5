//! Layers that are files: the verified tar and an EROFS index over it.
//!
//! ```text
//! layers/<chain, 64 hex>/
//!     tar           the layer's tar, uncompressed, as it came
//!     index         an EROFS file system whose contents lie in the tar (erofs)
//!     layer.json    what is known of the layer
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::Path;

use gantry_ids::Digest;
use sha2::Digest as _;

use super::error::{LayerError, failed};
use super::record::Layer;
use crate::erofs::{self, Outline};
use crate::{DiffId, Limits, pipeline};

/// What staging made of a tar.
pub(super) struct StagedFiles {
    pub(super) read: pipeline::SourceRead,
    pub(super) content_bytes: u64,
    pub(super) opaque: bool,
    pub(super) implied: Vec<Vec<u8>>,
    /// The digest of the index.
    pub(super) index: Digest,
    /// The layer's tree, where directories are to be completed once the layers beneath are known.
    pub(super) outline: Option<Box<Outline>>,
}

/// Writes a source's tar and the index over it to the directory `path`. Where no index can show the
/// tar (holes that do not lie at blocks), only the tar is written and nothing is answered.
pub(super) fn stage(
    path: &Path,
    source: &mut (dyn Read + Send),
    limits: Limits,
) -> Result<Option<StagedFiles>, LayerError> {
    let place = path.join("tar");
    let mut file = File::create_new(&place).map_err(failed("create", &place))?;
    let (read, outcome) = pipeline::run(source, |pieces| {
        let mut tee = Tee::new(pieces, &mut file);
        let read = erofs::read(&mut tee, limits);
        // A failed write is what counts: the reader saw it as an error of its source.
        tee.written.map_err(Cut::Write)?;
        read.map_err(Cut::Layer)
    })?;
    let found = outcome.map_err(|cut| match cut {
        Cut::Write(error) => failed("write", &place)(error),
        Cut::Layer(error) => LayerError::Extract(error),
    })?;
    if !found.fits {
        return Ok(None);
    }
    let index = write_index(path, &found.outline, (read.diff_id, read.tar_bytes))?;
    let implied = found.outline.implied();
    Ok(Some(StagedFiles {
        read,
        content_bytes: found.content_bytes,
        opaque: found.opaque_root,
        index,
        outline: (!implied.is_empty()).then(|| Box::new(found.outline)),
        implied,
    }))
}

/// Writes (or writes anew) the index in the directory `path` and tells its digest.
pub(super) fn write_index(
    path: &Path,
    outline: &Outline,
    (diff_id, tar_bytes): (DiffId, u64),
) -> Result<Digest, LayerError> {
    let place = path.join("index");
    let write = || {
        let file = File::create(&place)?;
        let mut out = BufWriter::new(Hashing::new(file));
        let uuid = diff_id.digest().as_bytes()[..16].try_into();
        let uuid = uuid.expect("a digest has 32 bytes");
        erofs::write_index(outline, tar_bytes, uuid, &mut out)?;
        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(out.digest())
    };
    write().map_err(failed::<io::Error>("write", &place))
}

/// The digest of a file.
pub(super) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(hashing.digest())
}

/// Brings a staged layer's files to the disk.
pub(super) fn sync(path: &Path) -> Result<(), LayerError> {
    for name in ["tar", "index", "layer.json", ""] {
        let place = path.join(name);
        let synced = File::open(&place).and_then(|file| file.sync_all());
        synced.map_err(failed("sync", &place))?;
    }
    Ok(())
}

/// Writes the tar of the layer in `directory` to `to` and compares its digest.
pub(super) fn write_tar(
    directory: &Path,
    layer: &Layer,
    to: &mut dyn Write,
) -> Result<(), LayerError> {
    let damaged = |source| LayerError::DamagedFile {
        chain: layer.chain,
        path: "tar".to_owned(),
        source,
    };
    let mut file = File::open(directory.join("tar")).map_err(damaged)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let len = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        hash.update(&buffer[..len]);
        to.write_all(&buffer[..len]).map_err(LayerError::Write)?;
    }
    let found = DiffId::new(Digest::from_bytes(hash.finalize().into()));
    if found == layer.diff_id {
        return Ok(());
    }
    Err(LayerError::Damaged {
        chain: layer.chain,
        found,
        expected: layer.diff_id,
    })
}

/// Hashes what is written.
struct Hashing<W> {
    to: W,
    hash: sha2::Sha256,
}

impl<W> Hashing<W> {
    fn new(to: W) -> Self {
        Self {
            to,
            hash: sha2::Sha256::new(),
        }
    }

    fn digest(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.to.write(bytes)?;
        self.hash.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Why staging ended early.
enum Cut {
    /// The tar could not be written.
    Write(io::Error),
    /// It is no sound layer.
    Layer(crate::ExtractError),
}

/// Writes what is read, piece by piece, before anybody looks at it.
struct Tee<'a, R> {
    source: R,
    file: &'a mut File,
    /// Bytes of the source's buffer that were written and not consumed yet.
    ahead: usize,
    written: io::Result<()>,
}

impl<'a, R> Tee<'a, R> {
    const fn new(source: R, file: &'a mut File) -> Self {
        Self {
            source,
            file,
            ahead: 0,
            written: Ok(()),
        }
    }
}

impl<R: BufRead> BufRead for Tee<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let piece = self.source.fill_buf()?;
        if self.ahead == 0 && !piece.is_empty() {
            if let Err(error) = self.file.write_all(piece) {
                let told = io::Error::from(error.kind());
                self.written = Err(error);
                return Err(told);
            }
            self.ahead = piece.len();
        }
        Ok(piece)
    }

    fn consume(&mut self, len: usize) {
        self.ahead -= len.min(self.ahead);
        self.source.consume(len);
    }
}

impl<R: BufRead> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let len = piece.len().min(buffer.len());
        buffer[..len].copy_from_slice(&piece[..len]);
        self.consume(len);
        Ok(len)
    }
}
