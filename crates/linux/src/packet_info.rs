//! Datagrams of IPv6 with the address that they were sent to (RFC 3542, section 6), which `rustix` does not tell.

use std::io;
use std::mem;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A datagram that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// How many bytes of the buffer it filled.
    pub length: usize,
    /// Who sent it.
    pub from: SocketAddrV6,
    /// The address of this host that it was sent to; none where the socket was not asked to tell.
    pub to: Option<Ipv6Addr>,
}

/// One control message with the address (`cmsg(3)`): the data follow the header at once, as both are aligned to it.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    info: libc::in6_pktinfo,
}

impl Control {
    /// Of the header and the data, without what is put behind them.
    const LENGTH: usize = mem::offset_of!(Self, info) + mem::size_of::<libc::in6_pktinfo>();

    fn new(address: Ipv6Addr, link: u32) -> Self {
        Self {
            header: libc::cmsghdr {
                cmsg_len: Self::LENGTH,
                cmsg_level: libc::IPPROTO_IPV6,
                cmsg_type: libc::IPV6_PKTINFO,
            },
            info: libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: address.octets(),
                },
                ipi6_ifindex: link,
            },
        }
    }
}

/// Makes a socket of IPv6 tell which address each datagram was sent to (`IPV6_RECVPKTINFO`, `ipv6(7)`).
///
/// # Errors
/// What `setsockopt(2)` says.
pub fn tell_destinations(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(mem::size_of_val(&on)).expect("four fits");
    // SAFETY: the pointer is to a live int of exactly the length given, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_RECVPKTINFO,
            (&raw const on).cast(),
            length,
        )
    };
    crate::check(libc::c_long::from(result)).map(drop)
}

/// Takes one datagram from a socket of IPv6 without waiting (`recvmsg(2)`, `MSG_DONTWAIT`).
///
/// # Errors
/// What `recvmsg(2)` says; `EAGAIN` where there is none, `EAFNOSUPPORT` where the sender is not of IPv6.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Arrived> {
    let mut name = name_of(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0));
    name.sin6_family = 0;
    let mut control = Control::new(Ipv6Addr::UNSPECIFIED, 0);
    let mut piece = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let mut message = message_of(&mut name, &mut piece, &mut control);
    // SAFETY: every pointer of the message is to a live value of the length beside it, and nothing else uses
    // them until the call is over. Whatever bytes the kernel writes are valid: all fields are plain numbers.
    let result = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut message,
            libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
        )
    };
    let length = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
    let told = message.msg_controllen >= Control::LENGTH
        && control.header.cmsg_level == libc::IPPROTO_IPV6
        && control.header.cmsg_type == libc::IPV6_PKTINFO;
    if libc::c_int::from(name.sin6_family) != libc::AF_INET6 {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    }
    Ok(Arrived {
        length,
        from: SocketAddrV6::new(
            Ipv6Addr::from(name.sin6_addr.s6_addr),
            u16::from_be(name.sin6_port),
            name.sin6_flowinfo,
            name.sin6_scope_id,
        ),
        to: told.then(|| Ipv6Addr::from(control.info.ipi6_addr.s6_addr)),
    })
}

/// Sends one datagram from a chosen address of this host without waiting (`sendmsg(2)` with `IPV6_PKTINFO`).
/// The unspecified address leaves the choice to the kernel. It leaves by the link that `to` names, if any.
///
/// # Errors
/// What `sendmsg(2)` says; `EINVAL` where the address is not this host's.
pub fn send(
    socket: BorrowedFd<'_>,
    datagram: &[u8],
    from: Ipv6Addr,
    to: SocketAddrV6,
) -> io::Result<()> {
    let mut name = name_of(to);
    let mut control = Control::new(from, to.scope_id());
    let mut piece = libc::iovec {
        iov_base: datagram.as_ptr().cast_mut().cast(),
        iov_len: datagram.len(),
    };
    let message = message_of(&mut name, &mut piece, &mut control);
    // SAFETY: every pointer of the message is to a live value of the length beside it, which the kernel only reads.
    let result =
        unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
    usize::try_from(result)
        .map(drop)
        .map_err(|_| io::Error::last_os_error())
}

fn name_of(address: SocketAddrV6) -> libc::sockaddr_in6 {
    libc::sockaddr_in6 {
        sin6_family: libc::sa_family_t::try_from(libc::AF_INET6).expect("a small number"),
        sin6_port: address.port().to_be(),
        sin6_flowinfo: address.flowinfo(),
        sin6_addr: libc::in6_addr {
            s6_addr: address.ip().octets(),
        },
        sin6_scope_id: address.scope_id(),
    }
}

/// A message with a name, one piece of data and one control message.
fn message_of(
    name: &mut libc::sockaddr_in6,
    piece: &mut libc::iovec,
    control: &mut Control,
) -> libc::msghdr {
    // SAFETY: a msghdr of zeros is valid: null pointers with lengths of zero.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_namelen =
        libc::socklen_t::try_from(mem::size_of_val(name)).expect("a small number");
    message.msg_name = ptr::from_mut(name).cast();
    message.msg_iov = ptr::from_mut(piece);
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(control).cast();
    message.msg_controllen = mem::size_of_val(control);
    message
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn six(socket: &UdpSocket) -> SocketAddrV6 {
        match socket.local_addr().unwrap() {
            std::net::SocketAddr::V6(address) => address,
            std::net::SocketAddr::V4(address) => panic!("{address}"),
        }
    }

    #[test]
    fn a_datagram_tells_where_it_was_sent_and_an_answer_leaves_from_there() {
        let server = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let client = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let mut buffer = [0; 16];
        let none = receive(server.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::WouldBlock);

        let port = six(&server).port();
        client
            .send_to(b"untold", (Ipv6Addr::LOCALHOST, port))
            .unwrap();
        let arrived = receive(server.as_fd(), &mut buffer).unwrap();
        assert_eq!((arrived.length, arrived.to), (6, None));

        tell_destinations(server.as_fd()).unwrap();
        client
            .send_to(b"hello", (Ipv6Addr::LOCALHOST, port))
            .unwrap();
        let arrived = receive(server.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..arrived.length], b"hello");
        assert_eq!(arrived.from, six(&client));
        assert_eq!(arrived.to, Some(Ipv6Addr::LOCALHOST));

        send(server.as_fd(), b"back", Ipv6Addr::LOCALHOST, arrived.from).unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"back");
        assert_eq!(from, (Ipv6Addr::LOCALHOST, port).into());
        let foreign = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        send(server.as_fd(), b"back", foreign, arrived.from).unwrap_err();
    }
}
