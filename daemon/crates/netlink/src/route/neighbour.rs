//! Entries of a bridge's forwarding table.

use super::AF_BRIDGE;
use crate::message::{CREATE, Message, REPLACE};

const RTM_NEWNEIGH: u16 = 28;
const NDA_LLADDR: u16 = 2;
/// `NUD_NOARP`: kept until the port goes, but it may move when the address is seen elsewhere.
const STATE_STATIC: u16 = 0x40;
/// `NTF_MASTER`: the entry is the bridge's, not the port device's own.
const FLAG_MASTER: u8 = 0x04;

/// Tells the bridge at once behind which port an Ethernet address lives, in place of what it may have
/// learned of an earlier owner.
#[must_use]
pub fn replace_forwarding_entry(port: u32, mac: [u8; 6]) -> Message {
    let [i0, i1, i2, i3] = port.to_ne_bytes();
    let [s0, s1] = STATE_STATIC.to_ne_bytes();
    // struct ndmsg: family, pad, index, state, flags, type
    let header = [AF_BRIDGE, 0, 0, 0, i0, i1, i2, i3, s0, s1, FLAG_MASTER, 0];
    Message::new(
        RTM_NEWNEIGH,
        CREATE | REPLACE,
        format!("set forwarding entry of port {port}"),
        &header,
    )
    .with(|attributes| {
        attributes.bytes(NDA_LLADDR, &mac);
    })
}
