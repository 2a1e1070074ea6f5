//! The fields of a header block.

use super::{BLOCK, TarError};

/// A header block as it was read.
#[derive(Clone)]
pub(super) struct Block([u8; BLOCK]);

/// Which of the header formats a block is in; they share all fields but the name's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    Gnu,
}

impl Block {
    pub(super) const fn new(bytes: [u8; BLOCK]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Compares the checksum, summed over unsigned bytes or, as old tars did, signed ones.
    pub(super) fn verify(&self) -> Result<(), TarError> {
        let stored = number(&self.0[148..156]).ok_or(TarError::Checksum)?;
        let spaced = |index: usize| {
            if (148..156).contains(&index) {
                b' '
            } else {
                self.0[index]
            }
        };
        let unsigned: i64 = (0..BLOCK).map(|index| i64::from(spaced(index))).sum();
        let signed: i64 = (0..BLOCK)
            .map(|index| i64::from(i8::from_ne_bytes([spaced(index)])))
            .sum();
        if stored == unsigned || stored == signed {
            Ok(())
        } else {
            Err(TarError::Checksum)
        }
    }

    pub(super) const fn bytes(&self) -> &[u8; BLOCK] {
        &self.0
    }

    pub(super) fn is_gnu(&self) -> bool {
        self.format() == Format::Gnu
    }

    pub(super) const fn type_flag(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn size(&self) -> Result<u64, TarError> {
        unsigned(&self.0[124..136], "size")
    }

    pub(super) fn mode(&self) -> Result<u64, TarError> {
        unsigned(&self.0[100..108], "mode")
    }

    pub(super) fn uid(&self) -> Result<u64, TarError> {
        unsigned(&self.0[108..116], "uid")
    }

    pub(super) fn gid(&self) -> Result<u64, TarError> {
        unsigned(&self.0[116..124], "gid")
    }

    pub(super) fn mtime(&self) -> Result<i64, TarError> {
        number(&self.0[136..148]).ok_or(TarError::Number("mtime"))
    }

    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(&self.0[157..257])
    }

    pub(super) fn device(&self) -> Result<(u64, u64), TarError> {
        let major = unsigned(&self.0[329..337], "device number")?;
        let minor = unsigned(&self.0[337..345], "device number")?;
        Ok((major, minor))
    }

    /// The name, with its prefix where the format has one.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = until_nul(&self.0[..100]);
        let prefix = match self.format() {
            Format::Ustar => until_nul(&self.0[345..500]),
            Format::V7 | Format::Gnu => Vec::new(),
        };
        if prefix.is_empty() {
            name
        } else {
            [&prefix[..], b"/", &name].concat()
        }
    }

    fn format(&self) -> Format {
        match &self.0[257..265] {
            b"ustar  \0" => Format::Gnu,
            magic if magic.starts_with(b"ustar\0") => Format::Ustar,
            _ => Format::V7,
        }
    }
}

/// Bytes up to the first NUL.
pub(super) fn until_nul(field: &[u8]) -> Vec<u8> {
    field
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec()
}

fn unsigned(field: &[u8], name: &'static str) -> Result<u64, TarError> {
    number(field)
        .and_then(|value| u64::try_from(value).ok())
        .ok_or(TarError::Number(name))
}

/// A numeric field: octal digits, or (GNU) big-endian two's complement when the first byte's top bit
/// is set. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        return base_256(field);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte));
    let Some(start) = start else { return Some(0) };
    let end = field[start..]
        .iter()
        .position(is_blank)
        .map_or(field.len(), |len| start + len);
    field[start..end]
        .iter()
        .try_fold(0_i64, |value, digit| match digit {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
            _ => None,
        })
}

fn base_256(field: &[u8]) -> Option<i64> {
    // The top bit is the marker and the next one the sign.
    let first = field[0] & 0x7f;
    let negative = first & 0x40 != 0;
    let start = if negative {
        i64::from(first | 0x80) - 256
    } else {
        i64::from(first)
    };
    field[1..].iter().try_fold(start, |value, byte| {
        value.checked_mul(256)?.checked_add(i64::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"00x"), None);
        assert_eq!(number(b"8"), None);
        assert_eq!(number(&[0x80, 0, 1, 0]), Some(256));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xfe]), Some(-2));
        assert_eq!(number(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
