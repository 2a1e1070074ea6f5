//! Options of netlink sockets, which no safe crate offers.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A boolean option of a netlink socket (`netlink(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetlinkOption {
    /// `NETLINK_EXT_ACK`: the kernel explains a refusal in words.
    ExtendedAck,
    /// `NETLINK_CAP_ACK`: a refusal does not repeat the whole request.
    CapAck,
    /// `NETLINK_GET_STRICT_CHK`: filters in dump requests are obeyed.
    StrictDump,
}

/// Switches an option of a netlink socket on (`setsockopt(2)`, `SOL_NETLINK`).
///
/// # Errors
/// What `setsockopt(2)` says; `ENOPROTOOPT` on kernels that do not know the option.
pub fn enable_netlink_option(socket: BorrowedFd<'_>, option: NetlinkOption) -> io::Result<()> {
    let name = match option {
        NetlinkOption::ExtendedAck => libc::NETLINK_EXT_ACK,
        NetlinkOption::CapAck => libc::NETLINK_CAP_ACK,
        NetlinkOption::StrictDump => libc::NETLINK_GET_STRICT_CHK,
    };
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(mem::size_of_val(&on)).expect("four fits");
    // SAFETY: the pointer is to a live int of exactly the length given, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            name,
            (&raw const on).cast(),
            length,
        )
    };
    crate::check(libc::c_long::from(result)).map(drop)
}
