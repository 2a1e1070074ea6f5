//! How layers are compressed on their way out: to a registry, or into an archive.

mod gzip;

use std::io::{self, Write};
use std::str::FromStr;

pub use gzip::GzipBlocks;

/// What a layer is compressed by, and how hard. The same layer gives the same bytes each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, level 0–9.
    Gzip(u32),
    /// zstd, level 1–19: what is above needs more memory than others give to read it.
    Zstd(i32),
}

/// A word that names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackingError {
    /// No such compression.
    #[error(
        "unknown compression {0:?}: use uncompressed, gzip or zstd, with a level behind a colon"
    )]
    Unknown(String),
    /// The level is no number, or the compression has no such level.
    #[error("invalid level {0:?} of compression: {1} has levels {2}")]
    Level(String, &'static str, &'static str),
}

impl Packing {
    /// What registries get where nobody asks for something else: as small as what other engines push (ADR 42).
    pub const DEFAULT: Self = Self::Gzip(3);
    /// zstd's own level where none is asked for.
    const ZSTD_LEVEL: i32 = 3;

    /// The same kind of compression, whatever its level.
    #[must_use]
    pub const fn is_like(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::None, Self::None)
                | (Self::Gzip(_), Self::Gzip(_))
                | (Self::Zstd(_), Self::Zstd(_))
        )
    }

    /// The image-spec's media type of a layer that is packed so.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::None => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip(_) => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd(_) => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// What a media type says, the image-spec's or docker's; docker's oldest word is gzip's.
    #[must_use]
    pub fn of_media_type(media: &str) -> Self {
        if media.ends_with("zstd") {
            Self::Zstd(Self::ZSTD_LEVEL)
        } else if media.ends_with(".tar") {
            Self::None
        } else {
            Self::DEFAULT
        }
    }

    /// Packs what is written to the answer into `to`.
    ///
    /// # Errors
    /// What `to` fails with, and a lack of memory.
    pub fn pack<W: Write>(self, to: W) -> io::Result<Packer<W>> {
        Ok(match self {
            Self::None => Packer::None(to),
            Self::Gzip(level) => Packer::Gzip(GzipBlocks::new(to, level)?),
            Self::Zstd(level) => {
                let mut encoder = zstd::Encoder::new(to, level)?;
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        })
    }
}

/// `zstd`, `zstd:19`, `gzip:9`, `uncompressed`: buildx's words.
impl FromStr for Packing {
    type Err = PackingError;

    fn from_str(text: &str) -> Result<Self, PackingError> {
        let (word, level) = match text.split_once(':') {
            Some((word, level)) => (word, Some(level)),
            None => (text, None),
        };
        let wrong = |kind, levels| {
            let level = level.unwrap_or_default().to_owned();
            PackingError::Level(level, kind, levels)
        };
        match (word, level) {
            ("uncompressed" | "none", None) => Ok(Self::None),
            ("gzip", None) => Ok(Self::DEFAULT),
            ("gzip", Some(level)) => match level.parse() {
                Ok(level @ 0..=9) => Ok(Self::Gzip(level)),
                _ => Err(wrong("gzip", "0 to 9")),
            },
            ("zstd", None) => Ok(Self::Zstd(Self::ZSTD_LEVEL)),
            ("zstd", Some(level)) => match level.parse() {
                Ok(level @ 1..=19) => Ok(Self::Zstd(level)),
                _ => Err(wrong("zstd", "1 to 19")),
            },
            _ => Err(PackingError::Unknown(text.to_owned())),
        }
    }
}

/// A writer that compresses.
pub enum Packer<W: Write> {
    /// Not at all.
    None(W),
    /// gzip.
    Gzip(GzipBlocks<W>),
    /// zstd.
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    /// Writes the end and gives the destination back.
    ///
    /// # Errors
    /// What the destination fails with.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::None(to) => Ok(to),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> std::fmt::Debug for Packer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(to) => to.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(to) => to.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!("zstd".parse(), Ok(Packing::Zstd(3)));
        assert_eq!("zstd:19".parse(), Ok(Packing::Zstd(19)));
        assert_eq!("gzip:0".parse(), Ok(Packing::Gzip(0)));
        assert_eq!("uncompressed".parse(), Ok(Packing::None));
        for text in [
            "", "xz", "zstd:", "zstd:0", "zstd:20", "gzip:10", "gzip:x", "none:1",
        ] {
            assert!(text.parse::<Packing>().is_err(), "{text}");
        }
    }

    #[test]
    fn media_types_say_what_is_inside() {
        for packing in [Packing::None, Packing::DEFAULT, Packing::Zstd(9)] {
            assert!(Packing::of_media_type(packing.media_type()).is_like(packing));
        }
        let docker = "application/vnd.docker.image.rootfs.diff.tar";
        assert_eq!(Packing::of_media_type(docker), Packing::None);
        assert!(Packing::of_media_type(&format!("{docker}.gzip")).is_like(Packing::DEFAULT));
    }

    #[test]
    fn what_is_packed_comes_back() {
        for packing in [Packing::None, Packing::DEFAULT, Packing::Zstd(3)] {
            let mut packer = packing.pack(Vec::new()).unwrap();
            packer.write_all(&[7; 100_000]).unwrap();
            let packed = packer.finish().unwrap();
            let (_, mut reader) = crate::decompress(&*packed).unwrap();
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
            assert!(bytes.len() == 100_000 && bytes.iter().all(|byte| *byte == 7));
        }
    }
}
