//! Integration tests of the contracts: trees of files against recorded bytes and hostile peers.

mod corpus;
mod hostile;
mod session;
mod transfer;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use gantry_buildkit::fsutil::{Packet, PacketType, ReceiveError, Receiver, Stat};

pub(crate) const DIRECTORY: u32 = (1 << 31) | 0o755;
pub(crate) const SYMLINK: u32 = (1 << 27) | 0o777;

pub(crate) fn open(path: &Path) -> OwnedFd {
    File::open(path).expect("the directory is there").into()
}

pub(crate) fn packet(kind: PacketType) -> Packet {
    Packet {
        r#type: kind.into(),
        ..Packet::default()
    }
}

pub(crate) fn stat(path: &str, mode: u32) -> Stat {
    Stat {
        path: path.to_owned(),
        mode,
        mod_time: 1_500_000_000,
        ..Stat::default()
    }
}

pub(crate) fn told(stat: Stat) -> Packet {
    Packet {
        stat: Some(stat),
        ..packet(PacketType::PacketStat)
    }
}

pub(crate) fn data(id: u32, data: &[u8]) -> Packet {
    Packet {
        id,
        data: data.to_vec().into(),
        ..packet(PacketType::PacketData)
    }
}

/// Feeds packets; answers what was sent back.
pub(crate) fn feed(
    root: &Path,
    packets: impl IntoIterator<Item = Packet>,
) -> Result<Vec<Packet>, ReceiveError> {
    let mut receiver = Receiver::new(open(root))?;
    let mut answers = Vec::new();
    for packet in packets {
        receiver.take(packet, &mut |answer| answers.push(answer))?;
    }
    Ok(answers)
}
