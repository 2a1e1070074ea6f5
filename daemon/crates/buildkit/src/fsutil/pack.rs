//! A tree in one file: the packets that would send it, each behind its length.
//!
//! A directory of very many small files costs a disk much to make, to look through and to remove; one
//! file with all of it does not.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::receive::Receiver;
use super::send::{SendError, Sender};
use super::{Packet, PacketType, ReceiveError, mode};

/// The longest packet, bytes: a piece of a file, or an entry with its path.
const PACKET_BYTES_MAX: usize = 64 << 10;

/// The attribute of an entry that a note is written in; no file has it.
const NOTE: &str = "gantry.note";

/// Why a tree was not packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The tree cannot be told.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The file holds no tree, or there is no room for it.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// A packet is cut off, or none.
    #[error("the file is damaged")]
    Damaged,
    /// The file cannot be read or written.
    #[error("read or write the file")]
    File(#[source] io::Error),
}

/// Writes a tree, with a note on each file that `note` answers for its path.
///
/// # Errors
/// It cannot be read, or the file not be written.
pub fn pack(
    root: OwnedFd,
    note: &dyn Fn(&OwnedFd, &str) -> Option<Bytes>,
    to: &mut dyn Write,
) -> Result<(), PackError> {
    let looked_at = root.try_clone().map_err(PackError::File)?;
    let mut sender = Sender::new(root)?;
    let mut number = 0;
    let mut files = Vec::new();
    loop {
        let mut told = sender.produce()?.ok_or(PackError::Damaged)?;
        let Some(stat) = &mut told.stat else {
            write(&told, to)?;
            break;
        };
        if mode::kind(stat.mode) == mode::Kind::File && stat.linkname.is_empty() {
            files.push(number);
            if let Some(note) = note(&looked_at, &stat.path) {
                stat.xattrs.insert(NOTE.to_owned(), note);
            }
        }
        write(&told, to)?;
        number += 1;
    }
    for file in files {
        sender.take(&Packet {
            r#type: PacketType::PacketReq.into(),
            id: file,
            ..Packet::default()
        })?;
        while let Some(piece) = sender.produce()? {
            write(&piece, to)?;
        }
    }
    let end = Packet {
        r#type: PacketType::PacketFin.into(),
        ..Packet::default()
    };
    write(&end, to)
}

/// Makes an empty directory equal to a tree that was written; answers the notes on its files.
///
/// # Errors
/// The file is damaged; the directory is then somewhere in between.
pub fn unpack(from: &mut dyn Read, root: OwnedFd) -> Result<Vec<(String, Bytes)>, PackError> {
    let mut receiver = Receiver::new(root)?;
    let mut notes = Vec::new();
    loop {
        let mut packet = read(from)?;
        if let Some(stat) = &mut packet.stat
            && let Some(note) = stat.xattrs.remove(NOTE)
        {
            notes.push((stat.path.clone(), note));
        }
        if receiver.take(packet, &mut drop)? {
            return Ok(notes);
        }
    }
}

fn write(packet: &Packet, to: &mut dyn Write) -> Result<(), PackError> {
    let length = u32::try_from(packet.encoded_len()).map_err(|_| PackError::Damaged)?;
    let mut bytes = length.to_le_bytes().to_vec();
    packet.encode(&mut bytes).map_err(|_| PackError::Damaged)?;
    to.write_all(&bytes).map_err(PackError::File)
}

fn read(from: &mut dyn Read) -> Result<Packet, PackError> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(PackError::File)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > PACKET_BYTES_MAX {
        return Err(PackError::Damaged);
    }
    let mut bytes = BytesMut::zeroed(length);
    from.read_exact(&mut bytes).map_err(PackError::File)?;
    Packet::decode(bytes.freeze()).map_err(|_| PackError::Damaged)
}
