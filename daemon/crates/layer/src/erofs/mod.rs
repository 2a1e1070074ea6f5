//! A layer as an EROFS file system whose files' contents lie in the layer's tar.
//!
//! Owns the meaning of a tar's entries as a tree in memory ([`outline`]) and the bytes of the file
//! system that shows it ([`image`]): metadata alone, a few per cent of the tar, mounted from the file
//! with the tar as its second device. What an entry means is what `extract` makes of it on a
//! directory; a property test compares the two. Deliberately not here: where the files lie, when
//! they become a layer and where they are mounted (`store`).
//!
//! The format is the kernel's (`Documentation/filesystems/erofs.rst`, `fs/erofs/erofs_fs.h`).

mod attributes;
mod chunks;
mod compare;
mod entries;
mod image;
mod layout;
mod mount;
mod outline;
mod read;
mod walk;

pub(crate) use compare::compare;
pub(crate) use image::write_index;
pub(crate) use mount::{attach, detach, write_empty};
pub(crate) use outline::{Beneath, Outline};
pub(crate) use read::read;
