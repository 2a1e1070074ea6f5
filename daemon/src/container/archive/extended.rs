//! What an archive's PAX records say of an entry beyond its header: extended attributes.
//!
//! Names, sizes and owners are the `tar` crate's to read. A sparse file whose map lies in such records is
//! refused: what follows its header is not its content.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use tar::Entry;

/// Before an attribute's name, as GNU tar, Go and libarchive write it.
const XATTR: &str = "SCHILY.xattr.";
/// What overlay says of its own directories: nothing for an archive to say.
const OVERLAYS_OWN: [&str; 2] = ["trusted.overlay.", "user.overlay."];
/// Before the keys of all three PAX forms of sparse files.
const SPARSE: &str = "GNU.sparse.";

/// The extended attributes of one entry.
#[derive(Debug, Default)]
pub(super) struct Extended(Vec<(String, Vec<u8>)>);

impl Extended {
    /// # Errors
    /// Records that are none, and those of a sparse file.
    pub(super) fn of(entry: &mut Entry<'_, impl Read>) -> io::Result<Self> {
        let mut found = Vec::new();
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            // A key that is no text names nothing that is known.
            let Ok(key) = record.key() else { continue };
            if key.starts_with(SPARSE) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "sparse files in a tar of the PAX format are not supported; \
                     pack without --sparse, or with --format=gnu",
                ));
            }
            if let Some(name) = key.strip_prefix(XATTR)
                && !OVERLAYS_OWN.iter().any(|own| name.starts_with(own))
            {
                found.push((name.to_owned(), record.value_bytes().to_vec()));
            }
        }
        Ok(Self(found))
    }

    /// Gives them to a node that is no symbolic link. As with dockerd, a file system that has none, and a
    /// name that it does not know, are no fault of the archive.
    pub(super) fn give(&self, node: &impl AsFd) -> io::Result<()> {
        let own = format!("/proc/self/fd/{}", node.as_fd().as_raw_fd());
        for (name, value) in &self.0 {
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

#[cfg(test)]
mod tests {
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
    fn a_sparse_file_of_the_pax_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let records = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")];
        let refused = unpacked(&records, folder.path()).unwrap_err().to_string();
        assert!(refused.starts_with("file: sparse files"), "{refused}");
        assert!(!folder.path().join("file").exists());
    }
}
