//! What an archive's PAX records say of an entry beyond its header: extended attributes, and where the parts
//! of a sparse file belong.
//!
//! Other names, sizes and owners are the `tar` crate's to read, as is GNU tar's older format of sparse files,
//! which is no matter of records.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use gantry_layer::{Limits, SparseRecords, TarError};
use rustix::fs::XattrFlags;
use rustix::io::Errno;
use tar::Entry;

/// Before an attribute's name, as GNU tar, Go and libarchive write it.
const XATTR: &str = "SCHILY.xattr.";
/// What overlay says of its own directories: nothing for an archive to say.
const OVERLAYS_OWN: [&str; 2] = ["trusted.overlay.", "user.overlay."];
/// Before the keys of all three PAX forms of sparse files.
const SPARSE: &str = "GNU.sparse.";

/// Bytes that are read and written at once.
const PIECE_BYTES: usize = 64 << 10;

/// What records say of one entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    attributes: Vec<(String, Vec<u8>)>,
    sparse: SparseRecords,
}

impl Extended {
    /// # Errors
    /// Records that are none.
    pub(super) fn of(entry: &mut Entry<'_, impl Read>) -> io::Result<Self> {
        let mut found = Self::default();
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            // A key that is no text names nothing that is known.
            let Ok(key) = record.key() else { continue };
            if let Some(key) = key.strip_prefix(SPARSE) {
                let taken = found
                    .sparse
                    .take(key.as_bytes(), Some(record.value_bytes()));
                taken.map_err(invalid)?;
            }
            if let Some(name) = key.strip_prefix(XATTR)
                && !OVERLAYS_OWN.iter().any(|own| name.starts_with(own))
            {
                let value = record.value_bytes().to_vec();
                found.attributes.push((name.to_owned(), value));
            }
        }
        Ok(found)
    }

    /// What a sparse file is called: its header's name is made up.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.sparse.name.as_deref()
    }

    /// Bytes of a sparse file, holes and all.
    pub(super) const fn size_bytes(&self) -> Option<u64> {
        self.sparse.size_bytes()
    }

    /// Writes the entry's content to an empty file, and leaves its holes out.
    ///
    /// # Errors
    /// A map that is none, and what reading and writing say.
    pub(super) fn write(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        file: &mut File,
    ) -> io::Result<()> {
        let (records, stored) = (std::mem::take(&mut self.sparse), entry.size());
        let map = records.read_map(entry, stored, Limits::DEFAULT.segments);
        let Some(map) = map.map_err(invalid)? else {
            return io::copy(entry, file).map(drop);
        };
        file.set_len(map.size_bytes)?;
        let mut buffer = vec![0; PIECE_BYTES];
        for segment in &*map.segments {
            let mut at = segment.offset;
            while at < segment.end() {
                let left = usize::try_from(segment.end() - at).unwrap_or(usize::MAX);
                let piece = &mut buffer[..left.min(PIECE_BYTES)];
                entry.read_exact(piece)?;
                file.write_all_at(piece, at)?;
                at += piece.len() as u64;
            }
        }
        Ok(())
    }

    /// Gives the attributes to a node that is no symbolic link. As with dockerd, a file system that has none, and a
    /// name that it does not know, are no fault of the archive.
    pub(super) fn give(&self, node: &impl AsFd) -> io::Result<()> {
        let own = format!("/proc/self/fd/{}", node.as_fd().as_raw_fd());
        for (name, value) in &self.attributes {
            match rustix::fs::setxattr(&own, name, value, XattrFlags::empty()) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(error) => {
                    let error = io::Error::from(error);
                    let text = format!("extended attribute {name}: {error}");
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
        Ok(())
    }
}

fn invalid(error: TarError) -> io::Error {
    match error {
        TarError::Read(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::super::{UnpackOptions, unpack_into};
    use super::*;

    fn unpacked(records: &[(&str, &[u8])], into: &Path) -> io::Result<()> {
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_pax_extensions(records.iter().copied())?;
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_mode(0o644);
        header.set_uid(7);
        header.set_gid(8);
        tar.append_data(&mut header, "file", &b"x"[..])?;
        unpack_into(into, &*tar.into_inner()?, UnpackOptions::default())
    }

    #[test]
    fn extended_attributes_come_along_also_those_that_a_change_of_owner_clears() {
        // cap_net_bind_service, as `setcap` writes it.
        let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let folder = tempfile::tempdir().unwrap();
        let records = [
            ("SCHILY.xattr.trusted.colour", &b"red"[..]),
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.nosuch.kind", b"skipped"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ];
        unpacked(&records, folder.path()).unwrap();
        let value = |name: &str| {
            let mut value = [0; 64];
            let length = rustix::fs::getxattr(folder.path().join("file"), name, &mut value);
            value[..length.unwrap()].to_vec()
        };
        assert_eq!(value("trusted.colour"), b"red");
        assert_eq!(value("security.capability"), capability);
        let mut list = [0; 256];
        let length = rustix::fs::listxattr(folder.path().join("file"), &mut list[..]).unwrap();
        assert_eq!(list[..length].split(|byte| *byte == 0).count() - 1, 2);
    }

    #[test]
    fn sparse_files_of_all_formats_come_with_their_holes() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        std::fs::create_dir(&source).unwrap();
        let file = File::create(source.join("file")).unwrap();
        file.set_len(8 << 20).unwrap();
        for n in 0..30 {
            file.write_all_at(&[n + 1; 5000], u64::from(n) * 200_000)
                .unwrap();
        }
        let content = std::fs::read(source.join("file")).unwrap();
        for format in [
            &["--format=gnu"][..],
            &["--format=posix", "--sparse-version=0.0"],
            &["--format=posix", "--sparse-version=0.1"],
            &["--format=posix", "--sparse-version=1.0"],
        ] {
            let mut packing = std::process::Command::new("tar");
            packing.args(["--create", "--sparse"]).args(format);
            let tar = packing.arg("-C").arg(&source).arg("file").output().unwrap();
            assert!(
                tar.stdout.len() < 300_000,
                "{format:?}: GNU tar saw no holes"
            );
            let into = tempfile::tempdir().unwrap();
            unpack_into(into.path(), &*tar.stdout, UnpackOptions::default()).unwrap();
            let names: Vec<_> = std::fs::read_dir(into.path()).unwrap().collect();
            assert_eq!(names.len(), 1, "{format:?}: {names:?}");
            let made = into.path().join("file");
            assert!(std::fs::read(&made).unwrap() == content, "{format:?}");
            // The tar crate writes the holes of the older format.
            let on_disk = std::fs::metadata(made).unwrap().blocks() * 512;
            assert!(
                format.len() == 1 || on_disk < 1 << 20,
                "{format:?}: {on_disk}"
            );
        }
    }

    #[test]
    fn hostile_maps_of_sparse_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let old = |map| [("GNU.sparse.size", &b"9"[..]), ("GNU.sparse.map", map)];
        let maps: [&[u8]; 4] = [b"0,2", b"9,1", b"0,x", b"1"];
        for map in maps {
            let refused = unpacked(&old(map), folder.path()).unwrap_err().to_string();
            assert!(refused.contains("invalid sparse entry"), "{refused}");
        }
        let new = [
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"9"),
        ];
        let refused = unpacked(&new, folder.path()).unwrap_err().to_string();
        assert!(refused.contains("its map is cut off"), "{refused}");
        let away = [
            ("GNU.sparse.name", &b"../away"[..]),
            ("GNU.sparse.size", b"1"),
            ("GNU.sparse.map", b"0,1"),
        ];
        let refused = unpacked(&away, folder.path()).unwrap_err().to_string();
        assert!(refused.contains("invalid path in archive"), "{refused}");
        unpacked(&old(b"4,1"), folder.path()).unwrap();
        let made = std::fs::read(folder.path().join("file")).unwrap();
        assert_eq!(made, b"\0\0\0\0x\0\0\0\0");
    }

    #[test]
    fn holes_count_as_content() {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let records = [
            ("GNU.sparse.size", &b"1000000000000"[..]),
            ("GNU.sparse.map", b"0,1"),
        ];
        tar.append_pax_extensions(records).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        tar.append_data(&mut header, "file", &b"x"[..]).unwrap();
        let options = UnpackOptions {
            content_bytes_max: Some(1 << 20),
            ..UnpackOptions::default()
        };
        let tar = tar.into_inner().unwrap();
        let refused = unpack_into(folder.path(), &*tar, options).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }
}
