//! Who talks in the laboratory: servers that tell each client how they see it, and what asks them.

use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use crate::lab::Namespace;

/// For what is to be answered: clients send again what a busy machine loses.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// For what is not to be answered.
pub(crate) const BRIEFLY: Duration = Duration::from_millis(700);

/// A server that tells each client under which address it sees it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn tcp(namespace: &Namespace, port: u16) -> Self {
        let listener = namespace.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        set_socket_timeout(&listener, Timeout::Recv, Some(Duration::from_millis(50))).unwrap();
        Self::start(move || {
            if let Ok((mut stream, peer)) = listener.accept() {
                let _ = write!(stream, "{}", peer.ip());
            }
        })
    }

    /// As `tcp`, for both families.
    pub(crate) fn tcp_of_both(namespace: &Namespace, port: u16) -> Self {
        let listener = namespace.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
        set_socket_timeout(&listener, Timeout::Recv, Some(Duration::from_millis(50))).unwrap();
        Self::start(move || {
            if let Ok((mut stream, peer)) = listener.accept() {
                let _ = write!(stream, "{}", peer.ip().to_canonical());
            }
        })
    }

    pub(crate) fn udp(namespace: &Namespace, port: u16) -> Self {
        let socket = namespace.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        Self::start(move || {
            if let Ok((_, peer)) = socket.recv_from(&mut [0; 64]) {
                let _ = socket.send_to(peer.ip().to_string().as_bytes(), peer);
            }
        })
    }

    /// As `udp`, for both families.
    pub(crate) fn udp_of_both(namespace: &Namespace, port: u16) -> Self {
        let socket = namespace.run(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        Self::start(move || {
            if let Ok((_, peer)) = socket.recv_from(&mut [0; 64]) {
                let seen = peer.ip().to_canonical().to_string();
                let _ = socket.send_to(seen.as_bytes(), peer);
            }
        })
    }

    fn start(mut serve_one: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serve = move || {
            while !stopped.load(Ordering::Relaxed) {
                serve_one();
            }
        };
        Self {
            stop,
            thread: Some(thread::spawn(serve)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Asks a TCP server how it sees the calling thread's namespace.
pub(crate) fn ask(address: impl Into<IpAddr>, port: u16) -> io::Result<IpAddr> {
    ask_for(PATIENCE, SocketAddr::new(address.into(), port))
}

/// As `ask`, of one that is not to answer.
pub(crate) fn ask_briefly(address: impl Into<IpAddr>, port: u16) -> io::Result<IpAddr> {
    ask_for(BRIEFLY, SocketAddr::new(address.into(), port))
}

fn ask_for(patience: Duration, server: SocketAddr) -> io::Result<IpAddr> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    text.parse().map_err(io::Error::other)
}

/// Asks a UDP server, from any local address.
pub(crate) fn ask_udp(address: Ipv4Addr, port: u16) -> io::Result<IpAddr> {
    ask_udp_from(Ipv4Addr::UNSPECIFIED, address, port)
}

/// As `ask_udp`, of one that is not to answer.
pub(crate) fn ask_udp_briefly(address: Ipv4Addr, port: u16) -> io::Result<IpAddr> {
    ask_udp_from_briefly(Ipv4Addr::UNSPECIFIED, address, port)
}

pub(crate) fn ask_udp_from(source: Ipv4Addr, address: Ipv4Addr, port: u16) -> io::Result<IpAddr> {
    converse(&connected(source, address, port)?, PATIENCE)
}

/// As `ask_udp_from`, of one that is not to answer.
pub(crate) fn ask_udp_from_briefly(
    source: Ipv4Addr,
    address: Ipv4Addr,
    port: u16,
) -> io::Result<IpAddr> {
    converse(&connected(source, address, port)?, BRIEFLY)
}

fn connected(source: Ipv4Addr, address: Ipv4Addr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddrV4::new(source, 0))?;
    socket.connect((address, port))?;
    Ok(socket)
}

/// Asks a UDP server over a socket that is connected to it, again and again for so long.
pub(crate) fn converse(socket: &UdpSocket, patience: Duration) -> io::Result<IpAddr> {
    let deadline = Instant::now() + patience;
    let mut buffer = [0; 64];
    socket.set_read_timeout(Some(BRIEFLY))?;
    let length = loop {
        let heard = socket.send(b"?").and_then(|_| socket.recv(&mut buffer));
        if heard.is_ok() || Instant::now() >= deadline {
            break heard?;
        }
    };
    String::from_utf8_lossy(&buffer[..length])
        .parse()
        .map_err(io::Error::other)
}
