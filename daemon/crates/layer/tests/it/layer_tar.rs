//! Tars made entry by entry, well-formed or not.

use std::io::Read;

use tar::{EntryType, Header};

/// A tar being made.
#[derive(Default)]
pub(crate) struct LayerTar(Vec<u8>);

impl LayerTar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Any entry; the name goes into the header as it is, without any check.
    pub(crate) fn entry(mut self, kind: EntryType, path: &str, link: &str, data: &[u8]) -> Self {
        let mut header = header(kind, path, link);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.push(&header, data);
        self
    }

    pub(crate) fn file(self, path: &str, data: &str) -> Self {
        self.entry(EntryType::Regular, path, "", data.as_bytes())
    }

    pub(crate) fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"")
    }

    /// An entry with PAX records before it.
    pub(crate) fn pax(self, records: &[(&str, &[u8])], then: impl FnOnce(Self) -> Self) -> Self {
        let data: Vec<u8> = records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect();
        then(self.entry(EntryType::XHeader, "pax", "", &data))
    }

    /// A header the caller made, and whatever comes after it.
    pub(crate) fn raw(mut self, header: &Header, data: &[u8]) -> Self {
        self.push(header, data);
        self
    }

    fn push(&mut self, header: &Header, data: &[u8]) {
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    /// The tar with its end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    /// The tar without its end.
    pub(crate) fn unfinished(self) -> Vec<u8> {
        self.0
    }
}

/// A header with a checksum still to be set.
pub(crate) fn header(kind: EntryType, path: &str, link: &str) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory {
        0o755
    } else {
        0o644
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_600_000_000);
    header.set_size(0);
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + rest.to_string().len();
    if rest + len.to_string().len() != len {
        len = rest + len.to_string().len();
    }
    [
        len.to_string().as_bytes(),
        b" ",
        key.as_bytes(),
        b"=",
        value,
        b"\n",
    ]
    .concat()
}

/// A source that must be read in small pieces.
pub(crate) struct Slowly<'a>(pub(crate) &'a [u8]);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(self.0.len()).min(777);
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}
