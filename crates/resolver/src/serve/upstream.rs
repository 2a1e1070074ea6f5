//! Asking the servers of the host or of the user what no network knows.
//!
//! Each question has a socket and a number of its own, so that an answer cannot be guessed by who
//! does not see it. Servers are asked one after another; one that fails, refuses or is silent is passed
//! over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Duration;

use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::timeout;

use super::namespace::{Place, Places};
use super::{read_message, write_message};
use crate::message::{Query, is_failure, renumber};

const DNS_PORT: u16 = 53;
/// How long one server is waited for: two are asked before a C library's five seconds are over.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is taken over UDP.
const ANSWER_MAX: usize = 65_535;

/// A server and where it is asked from.
pub(super) type Asked = (IpAddr, Place);

/// How the client asked, and thus how the server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The first real answer, with the client's number in it; a failure only if no server has better.
pub(super) async fn ask(
    places: &Places,
    query: &Query,
    message: &[u8],
    (servers, transport): (&[Asked], Transport),
) -> Option<Vec<u8>> {
    let mut failure = None;
    for (server, place) in servers {
        let id = fastrand::u16(..);
        let mut question = message.to_vec();
        renumber(&mut question, id);
        let address = SocketAddr::new(*server, DNS_PORT);
        let asked = async {
            match transport {
                Transport::Udp => {
                    by_datagram(places, (address, *place), &question, |answer| {
                        query.is_answered_by(id, answer)
                    })
                    .await
                }
                Transport::Tcp => by_stream(places, (address, *place), &question).await,
            }
        };
        let Ok(Ok(mut answer)) = timeout(PATIENCE, asked).await else {
            continue;
        };
        if !query.is_answered_by(id, &answer) {
            continue;
        }
        renumber(&mut answer, query.id());
        if !is_failure(&answer) {
            return Some(answer);
        }
        failure.get_or_insert(answer);
    }
    failure
}

async fn by_datagram(
    places: &Places,
    (server, place): (SocketAddr, Place),
    question: &[u8],
    is_answer: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = places.within(place, || {
        let socket = StdUdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    let socket = UdpSocket::from_std(socket)?;
    socket.send(question).await?;
    loop {
        socket.readable().await?;
        let mut answer = Vec::new();
        match socket.try_recv_buf(answer_buffer(&mut answer)) {
            Ok(_) if is_answer(&answer) => return Ok(answer),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Room only once there is something to read.
fn answer_buffer(answer: &mut Vec<u8>) -> &mut Vec<u8> {
    answer.reserve_exact(ANSWER_MAX);
    answer
}

async fn by_stream(
    places: &Places,
    (server, place): (SocketAddr, Place),
    question: &[u8],
) -> io::Result<Vec<u8>> {
    let socket = places.within(place, || match server {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    })?;
    let mut stream = socket.connect(server).await?;
    write_message(&mut stream, question).await?;
    read_message(&mut stream).await
}
