//! The server: two sockets that somebody else bound, tables that somebody else writes.
//!
//! One task per socket, one per question that is passed on, one per TCP client, all with limits and
//! deadlines, so that a container that floods its own server slows nobody but itself. It never ends by
//! itself; dropping its future closes the sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::{Decision, Reachable, decide};
use crate::message::{NotAQuery, Query, Rcode};

mod book;
mod cache;
mod namespace;
mod upstream;

use book::Book;
use cache::Cache;
use namespace::Places;
use upstream::{Asked, Transport};

/// The longest datagram that is read; a query with all its options is far shorter.
const DATAGRAM_MAX: usize = 4096;
/// Questions that wait for an upstream server at once; more are refused.
const FORWARDS_MAX: usize = 256;
/// TCP clients at once; more wait.
const CONNECTIONS_MAX: usize = 32;
/// How long a TCP client may take for one message, and be silent between two.
const TCP_PATIENCE: Duration = Duration::from_secs(10);
/// After an error of a socket that is not one datagram's, so that the loop does not spin.
const RESPITE: Duration = Duration::from_millis(100);

/// Where a container's queries arrive.
#[derive(Debug)]
pub struct Sockets {
    /// Bound within the container's namespace.
    pub udp: StdUdpSocket,
    /// Listening there.
    pub tcp: StdTcpListener,
}

/// Whose queries they are.
#[derive(Clone, Debug)]
pub struct Service {
    /// The container's table; those of its networks lie beside it.
    pub table: PathBuf,
    /// The file of the container's network namespace, for servers that are asked from there.
    pub namespace: PathBuf,
}

/// A server that is ready to run.
#[derive(Debug)]
pub struct Server {
    udp: UdpSocket,
    tcp: TcpListener,
    desk: Desk,
}

impl Server {
    /// Takes the sockets over. Must be called within the async runtime.
    ///
    /// # Errors
    /// The sockets or the namespace cannot be used.
    pub fn open(sockets: Sockets, service: &Service) -> io::Result<Self> {
        sockets.udp.set_nonblocking(true)?;
        sockets.tcp.set_nonblocking(true)?;
        Ok(Self {
            udp: UdpSocket::from_std(sockets.udp)?,
            tcp: TcpListener::from_std(sockets.tcp)?,
            desk: Desk {
                book: Mutex::new(Book::new(service.table.clone())),
                places: Places::open(&service.namespace)?,
                turn: AtomicUsize::new(0),
                forwards: Semaphore::new(FORWARDS_MAX),
                answers: Mutex::default(),
            },
        })
    }

    /// Serves for ever.
    pub async fn run(self) {
        let (desk, udp) = (Arc::new(self.desk), Arc::new(self.udp));
        tokio::join!(datagrams(&desk, &udp), connections(&desk, &self.tcp));
    }
}

/// What all queries share.
#[derive(Debug)]
struct Desk {
    book: Mutex<Book>,
    places: Places,
    turn: AtomicUsize,
    forwards: Semaphore,
    answers: Mutex<Answers>,
}

/// Answers of those who were asked, while they are whom to ask.
#[derive(Debug, Default)]
struct Answers {
    of: Vec<Asked>,
    cache: Cache,
}

/// How a query is dealt with.
enum Next {
    Reply(Vec<u8>),
    Ask(Vec<Asked>),
}

async fn datagrams(desk: &Arc<Desk>, socket: &Arc<UdpSocket>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // A client's closed port is told with the next call.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(_) => {
                tokio::time::sleep(RESPITE).await;
                continue;
            }
        };
        let message = &buffer[..length];
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(NotAQuery::Drop) => continue,
            Err(NotAQuery::Refuse(answer)) => {
                let _ = socket.send_to(&answer, client).await;
                continue;
            }
        };
        match desk.next(&query, query.udp_limit()) {
            // A client that has gone does not hear it.
            Next::Reply(answer) => drop(socket.send_to(&answer, client).await),
            Next::Ask(servers) => pass_on(desk, socket, query, (message.to_vec(), client), servers),
        }
    }
}

fn pass_on(
    desk: &Arc<Desk>,
    socket: &Arc<UdpSocket>,
    query: Query,
    (message, client): (Vec<u8>, SocketAddr),
    servers: Vec<Asked>,
) {
    let (desk, socket) = (Arc::clone(desk), Arc::clone(socket));
    tokio::spawn(async move {
        let answer = desk.ask(&query, &message, &servers, Transport::Udp).await;
        let _ = socket.send_to(&answer, client).await;
    });
}

async fn connections(desk: &Arc<Desk>, listener: &TcpListener) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(desk);
                tokio::spawn(async move {
                    // However it ends, the client sees its connection closed.
                    let _ = converse(&desk, stream).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(RESPITE).await,
        }
    }
}

/// Messages with two bytes of length before them (RFC 1035 section 4.2.2), one after another.
async fn converse(desk: &Desk, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let message = timeout(TCP_PATIENCE, read_message(&mut stream)).await??;
        let answer = match Query::parse(&message) {
            Ok(query) => match desk.next(&query, usize::from(u16::MAX)) {
                Next::Reply(answer) => answer,
                Next::Ask(servers) => desk.ask(&query, &message, &servers, Transport::Tcp).await,
            },
            Err(NotAQuery::Refuse(answer)) => answer,
            Err(NotAQuery::Drop) => return Ok(()),
        };
        timeout(TCP_PATIENCE, write_message(&mut stream, &answer)).await??;
    }
}

async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    stream.write_all(&bytes).await
}

impl Desk {
    fn next(&self, query: &Query, limit: usize) -> Next {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let container = book.container();
        let networks: Vec<_> = container
            .networks
            .iter()
            .map(|membership| Reachable {
                membership,
                names: book.network(&membership.file),
            })
            .collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if let Decision::Reply(answer) = decide(query, &networks, turn, limit) {
            return Next::Reply(answer);
        }
        if !container.forward {
            return Next::Reply(query.reply(Rcode::ServerFailure));
        }
        if container.single_label_is_local && query.is_for_address() && !query.name.contains('.') {
            return Next::Reply(query.reply(Rcode::NoError));
        }
        Next::Ask(book.upstream(&container))
    }

    /// The first answer that is one, else that no server could be asked.
    async fn ask(
        &self,
        query: &Query,
        message: &[u8],
        servers: &[Asked],
        transport: Transport,
    ) -> Vec<u8> {
        if let Some(kept) = self.kept(query, message, servers) {
            return kept;
        }
        let Ok(_place) = self.forwards.try_acquire() else {
            return query.reply(Rcode::ServerFailure);
        };
        let answer = upstream::ask(&self.places, query, message, (servers, transport)).await;
        let Some(answer) = answer else {
            return query.reply(Rcode::ServerFailure);
        };
        let mut answers = self.answers();
        if answers.of == servers {
            answers.cache.keep(message, &answer, Instant::now());
        }
        answer
    }

    fn kept(&self, query: &Query, message: &[u8], servers: &[Asked]) -> Option<Vec<u8>> {
        let mut answers = self.answers();
        if answers.of != servers {
            answers.of = servers.to_vec();
            answers.cache.clear();
        }
        answers.cache.find(message, query.id(), Instant::now())
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
