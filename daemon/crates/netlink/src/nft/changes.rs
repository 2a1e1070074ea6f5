//! Hearing of changes to the tables of a namespace, whoever makes them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};

use crate::error::Error;

/// `NFNLGRP_NFTABLES`, counted from 1.
const GROUP: u32 = 7;

/// Readable once a table, chain, rule, set or element has changed.
#[derive(Debug)]
pub struct Changes(OwnedFd);

impl Changes {
    /// Listens in the calling thread's network namespace.
    pub fn listen() -> Result<Self, Error> {
        let step = |step| {
            move |errno: Errno| Error::Socket {
                step,
                source: errno.into(),
            }
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let number = Some(netlink::NETFILTER);
        let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, number)
            .map_err(step("open"))?;
        let address = netlink::SocketAddrNetlink::new(0, 1 << (GROUP - 1));
        net::bind(&socket, &address).map_err(step("bind"))?;
        Ok(Self(socket))
    }

    /// Reads and drops what has come: what changed is asked of the kernel.
    pub fn drain(&self) {
        let mut buffer = vec![0_u8; 64 * 1024];
        // ENOBUFS tells of more than there was room for, which is all the same here.
        while !matches!(
            net::recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()),
            Err(Errno::AGAIN)
        ) {}
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
