//! One pass over an archive.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use gantry_ids::Digest;
use gantry_layer::{DiffId, Kind, Limits, Packing, TarReader, decompress};
use serde::de::DeserializeOwned;
use sha2::Digest as _;

use super::LoadEvent;
use crate::ImageError;

/// Files up to this size are kept in memory if they are not layers.
const SMALL_MAX_BYTES: u64 = 4 << 20;
/// How much of that there may be in all.
const SMALL_TOTAL_BYTES: u64 = 256 << 20;
/// How much of a file tells what it is: one block of a tar.
const HEAD_BYTES: usize = 512;
/// Progress is told about this often.
const PROGRESS_BYTES: u64 = 512 << 10;

/// Told about layers, from whatever thread reads them.
pub(crate) type Progress<'a> = &'a mut (dyn FnMut(LoadEvent) + Send);

/// A file of the archive.
#[derive(Debug)]
pub(crate) enum Blob<S> {
    /// Kept in memory.
    Small(Vec<u8>),
    /// A layer that was unpacked, and its digest and size as it came if it was compressed.
    Layer {
        staged: S,
        diff_id: DiffId,
        compressed: Option<(Digest, u64, Packing)>,
    },
    /// A layer that was compared and that the store has already.
    Known { diff_id: DiffId },
    /// Neither a layer nor small.
    Large,
}

/// The files of an archive.
#[derive(Debug)]
pub(crate) struct Archive<S> {
    files: HashMap<String, Blob<S>>,
    /// Links to other files of the archive, by their paths.
    links: HashMap<String, String>,
}

/// A layer the store has, found by the digest in its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownBlob {
    pub(crate) diff_id: DiffId,
}

/// Where layers go while the archive is read.
pub(crate) trait LayerSink {
    /// A layer out of sight.
    type Staged;

    /// Unpacks a layer.
    fn stage(&self, source: &mut (dyn Read + Send)) -> Result<(Self::Staged, DiffId), ImageError>;

    /// The layer whose blob, compressed or not, has this digest, if the store has it.
    fn known(&self, blob: &Digest) -> Option<KnownBlob>;
}

impl<S> Archive<S> {
    /// Whether the archive has a file.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(self.resolve(path))
    }

    /// A file that is in memory.
    pub(crate) fn small(&self, path: &str) -> Result<&[u8], ImageError> {
        match self.files.get(self.resolve(path)) {
            Some(Blob::Small(bytes)) => Ok(bytes),
            Some(_) => Err(ImageError::Archive(format!(
                "{path:?} is not what it should be"
            ))),
            None => Err(missing(path)),
        }
    }

    /// A file that is in memory, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ImageError> {
        serde_json::from_slice(self.small(path)?).map_err(|source| ImageError::ArchiveJson {
            path: path.to_owned(),
            source,
        })
    }

    /// A file, to be taken from.
    pub(crate) fn file(&mut self, path: &str) -> Result<&mut Blob<S>, ImageError> {
        let path = self.resolve(path).to_owned();
        self.files.get_mut(&path).ok_or_else(|| missing(&path))
    }

    /// Follows one link: dockers of old wrote layers they had written already as links.
    fn resolve<'a>(&'a self, path: &'a str) -> &'a str {
        let path = path.strip_prefix("./").unwrap_or(path);
        self.links.get(path).map_or(path, String::as_str)
    }
}

fn missing(path: &str) -> ImageError {
    let path: String = path.chars().take(200).collect();
    ImageError::Archive(format!("{path:?} is missing"))
}

/// Reads an archive (plain, gzip or zstd) to its end.
///
/// # Errors
/// [`ImageError`] for an archive that is not sound, or a file that is not what its name says.
pub(crate) fn read<L: LayerSink>(
    source: &mut (dyn Read + Send),
    layers: &L,
    progress: Progress<'_>,
) -> Result<Archive<L::Staged>, ImageError> {
    let (_, source) = decompress(source).map_err(ImageError::ArchiveCompression)?;
    let mut tar = TarReader::new(
        BufReader::with_capacity(256 << 10, source),
        (),
        Limits::DEFAULT,
    );
    let mut archive = Archive {
        files: HashMap::new(),
        links: HashMap::new(),
    };
    let mut small_bytes = 0;
    while let Some(entry) = tar.next_entry().map_err(ImageError::ArchiveTar)? {
        let Some(path) = clean(&entry.path) else {
            continue;
        };
        match entry.kind {
            Kind::File => {}
            Kind::Symlink | Kind::HardLink => {
                if let Some(target) = link_target(&path, &entry.link, entry.kind) {
                    archive.links.insert(path, target);
                }
                continue;
            }
            _ => continue,
        }
        let mut content = tar.content_reader();
        let mut reader = FileReader {
            path: &path,
            size: entry.size,
            layers,
            progress: &mut *progress,
        };
        let blob = reader.read(&mut content)?;
        if let Blob::Small(bytes) = &blob {
            small_bytes += bytes.len() as u64;
            if small_bytes > SMALL_TOTAL_BYTES {
                return Err(ImageError::Archive("too many small files".to_owned()));
            }
        }
        archive.files.insert(path, blob);
    }
    Ok(archive)
}

/// Reads one file.
struct FileReader<'a, L> {
    path: &'a str,
    size: u64,
    layers: &'a L,
    progress: Progress<'a>,
}

impl<L: LayerSink> FileReader<'_, L> {
    fn read(&mut self, content: &mut (dyn Read + Send)) -> Result<Blob<L::Staged>, ImageError> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let mut start = (&mut *content).take(HEAD_BYTES as u64);
        start
            .read_to_end(&mut head)
            .map_err(ImageError::ArchiveRead)?;
        let claimed = claimed_digest(self.path);
        if !is_layer(&head) {
            return self.read_small(head, content, claimed);
        }
        match claimed.and_then(|digest| self.layers.known(&digest)) {
            Some(known) => self.compare(&head, content, claimed, known),
            None => self.read_layer(head, content, claimed),
        }
    }

    fn read_small(
        &self,
        mut bytes: Vec<u8>,
        content: &mut (dyn Read + Send),
        claimed: Option<Digest>,
    ) -> Result<Blob<L::Staged>, ImageError> {
        if self.size > SMALL_MAX_BYTES {
            // Whatever it is, no image here needs it; if one does, it is refused then.
            return Ok(Blob::Large);
        }
        content
            .read_to_end(&mut bytes)
            .map_err(ImageError::ArchiveRead)?;
        compare(self.path, claimed, || Digest::of(&bytes))?;
        Ok(Blob::Small(bytes))
    }

    fn read_layer(
        &mut self,
        head: Vec<u8>,
        content: &mut (dyn Read + Send),
        claimed: Option<Digest>,
    ) -> Result<Blob<L::Staged>, ImageError> {
        // The digest of an uncompressed layer is its diff id, which is taken anyway.
        let hash = is_compressed(&head).then(sha2::Sha256::new);
        let packing = Packing::of_media_type(if is_zstd(&head) { "zstd" } else { "gzip" });
        let mut source = Watched {
            inner: std::io::Cursor::new(head).chain(content),
            hash,
            read_bytes: 0,
            told_bytes: 0,
            total_bytes: self.size,
            id: short_id(self.path),
            progress: &mut *self.progress,
        };
        let (staged, diff_id) = self.layers.stage(&mut source)?;
        // Whatever follows the compressed data belongs to the blob's digest.
        std::io::copy(&mut source, &mut std::io::sink()).map_err(ImageError::ArchiveRead)?;
        let compressed = source
            .hash
            .map(|hash| Digest::from_bytes(hash.finalize().into()));
        compare(self.path, claimed, || {
            compressed.unwrap_or(*diff_id.digest())
        })?;
        let compressed = compressed.map(|digest| (digest, self.size, packing));
        Ok(Blob::Layer {
            staged,
            diff_id,
            compressed,
        })
    }

    /// A layer the store has already is only compared.
    fn compare(
        &self,
        head: &[u8],
        content: &mut (dyn Read + Send),
        claimed: Option<Digest>,
        known: KnownBlob,
    ) -> Result<Blob<L::Staged>, ImageError> {
        let mut hash = sha2::Sha256::new();
        hash.update(head);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let len = content.read(&mut buffer).map_err(ImageError::ArchiveRead)?;
            if len == 0 {
                break;
            }
            hash.update(&buffer[..len]);
        }
        compare(self.path, claimed, || {
            Digest::from_bytes(hash.finalize().into())
        })?;
        Ok(Blob::Known {
            diff_id: known.diff_id,
        })
    }
}

/// A layer's source, hashed and counted while it is read.
struct Watched<'a, R> {
    inner: R,
    hash: Option<sha2::Sha256>,
    read_bytes: u64,
    told_bytes: u64,
    total_bytes: u64,
    id: String,
    progress: Progress<'a>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.inner.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..len]);
        }
        self.read_bytes += len as u64;
        let ended = self.read_bytes == self.total_bytes;
        let news = self.read_bytes - self.told_bytes;
        if news >= PROGRESS_BYTES || (ended && news > 0) {
            self.told_bytes = self.read_bytes;
            (self.progress)(LoadEvent::Layer {
                id: self.id.clone(),
                current_bytes: self.read_bytes,
                total_bytes: self.total_bytes,
            });
        }
        Ok(len)
    }
}

/// Whether a file that begins so is taken for a layer: a tar, plain or compressed.
fn is_layer(head: &[u8]) -> bool {
    let is_tar = head.get(257..262) == Some(b"ustar") || is_old_tar(head);
    // An empty tar is nothing but zeros.
    let is_empty = head.len() == HEAD_BYTES && head.iter().all(|byte| *byte == 0);
    is_tar || is_empty || is_compressed(head)
}

/// gzip, zstd, xz or bzip2.
fn is_compressed(head: &[u8]) -> bool {
    is_zstd(head)
        || matches!(
            head,
            [0x1f, 0x8b, ..]
                | [0xfd, b'7', b'z', b'X', b'Z', ..]
                | [b'B', b'Z', b'h', b'1'..=b'9', ..]
        )
}

fn is_zstd(head: &[u8]) -> bool {
    matches!(
        head,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    )
}

/// A tar from before ustar: it has no mark, but a checksum.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(field) = head.get(148..156).filter(|_| head.len() == HEAD_BYTES) else {
        return false;
    };
    let digits: Vec<u8> = field.iter().copied().filter(u8::is_ascii_digit).collect();
    let stored = std::str::from_utf8(&digits).ok();
    let stored = stored.and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let field: u32 = field.iter().map(|byte| u32::from(*byte)).sum();
    stored == Some(sum - field + 8 * u32::from(b' '))
}

/// The digest that a blob's path claims.
fn claimed_digest(path: &str) -> Option<Digest> {
    Digest::from_hex(path.strip_prefix("blobs/sha256/")?).ok()
}

/// Compares a blob with the digest that its path claims.
fn compare(
    path: &str,
    claimed: Option<Digest>,
    found: impl FnOnce() -> Digest,
) -> Result<(), ImageError> {
    let Some(claimed) = claimed else {
        return Ok(());
    };
    let found = found();
    if found == claimed {
        return Ok(());
    }
    Err(ImageError::Archive(format!(
        "{path} has digest {found}: it is not what its name says"
    )))
}

/// 12 characters of a path that tell a layer from others.
fn short_id(path: &str) -> String {
    let name = path.strip_prefix("blobs/sha256/").unwrap_or(path);
    name.chars()
        .take_while(char::is_ascii_alphanumeric)
        .take(12)
        .collect()
}

/// A path of the archive without `./`; none if it is no text or leads anywhere else.
fn clean(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok()?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let odd = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    (!odd).then(|| path.to_owned())
}

/// The path a link means. A symbolic link is relative to its own directory.
fn link_target(path: &str, target: &[u8], kind: Kind) -> Option<String> {
    let target = std::str::from_utf8(target).ok()?;
    if kind == Kind::HardLink {
        return clean(target.as_bytes());
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()?),
            "" | "." => {}
            part => parts.push(part),
        }
    }
    clean(parts.join("/").as_bytes())
}
