//! A small generator of traffic: connections and bytes from one network namespace to another.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gantry_linux::namespace::{Namespaces, join};
use rustix::net::sockopt::set_socket_linger;
use rustix::thread::{CpuSet, sched_setaffinity};

/// How long one measurement lasts.
const LASTS: Duration = Duration::from_millis(200);
/// What is written and read at once.
const PIECE: usize = 256 << 10;

/// A network namespace.
#[derive(Debug)]
pub(super) struct Place(OwnedFd);

impl Place {
    /// Where a process lives.
    pub(super) fn of_process(pid: u32) -> Self {
        Self::at(&format!("/proc/{pid}/ns/net"))
    }

    /// The one that `ip netns` knows by this name.
    pub(super) fn named(name: &str) -> Self {
        Self::at(&format!("/run/netns/{name}"))
    }

    fn at(path: &str) -> Self {
        Self(File::open(path).expect("a network namespace").into())
    }

    /// Runs something inside, on a thread of its own.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let visit = || {
            join(self.0.as_fd(), Namespaces::NETWORK).expect("a network namespace");
            work()
        };
        std::thread::scope(|scope| scope.spawn(visit).join().expect("the work is done"))
    }
}

/// Whose processor a thread keeps to: where the scheduler puts the two ends makes more of a difference than what is
/// measured.
#[derive(Clone, Copy, Debug)]
enum End {
    Client,
    Server,
}

impl End {
    fn keep_to_a_processor(self) {
        let mut processors = CpuSet::new();
        processors.set(self as usize);
        // One processor is all there is then.
        let _ = sched_setaffinity(None, &processors);
    }
}

/// Where a server listens, and where clients find it.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) server: &'a Place,
    pub(super) listens: SocketAddr,
    pub(super) client: &'a Place,
    pub(super) target: SocketAddr,
}

impl Way<'_> {
    fn listen(&self) -> TcpListener {
        self.server
            .run(|| TcpListener::bind(self.listens).expect("the server's port is free"))
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.target).expect("the server is reached")
    }
}

/// Microseconds per connection: made, closed by the server, seen to be closed by the client.
pub(super) fn connection(way: &Way<'_>) -> f64 {
    let (listener, over) = (way.listen(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            End::Server.keep_to_a_processor();
            while !over.load(Ordering::Relaxed) {
                drop(listener.accept());
            }
        });
        way.client.run(|| {
            End::Client.keep_to_a_processor();
            let one = || {
                let mut stream = way.connect();
                let read = stream.read(&mut [0]);
                assert_eq!(read.ok(), Some(0), "the server says nothing");
                // Nothing of it lingers: thousands come.
                set_socket_linger(&stream, Some(Duration::ZERO)).expect("an option");
            };
            let (start, mut count) = (Instant::now(), 0_u32);
            while start.elapsed() < LASTS {
                one();
                count += 1;
            }
            let value = start.elapsed().as_secs_f64() * 1e6 / f64::from(count);
            over.store(true, Ordering::Relaxed);
            // It wakes the server, unless that has looked already whether it is over.
            drop(way.connect());
            value
        })
    })
}

/// Seconds per gigabyte (10⁹ bytes) by one connection, as its receiver sees them.
pub(super) fn gigabyte(way: &Way<'_>) -> f64 {
    let listener = way.listen();
    std::thread::scope(|scope| {
        let received = scope.spawn(|| {
            End::Server.keep_to_a_processor();
            let (mut stream, _) = listener.accept().expect("a client");
            let mut piece = vec![0; PIECE];
            let (start, mut bytes) = (Instant::now(), 0_usize);
            loop {
                match stream.read(&mut piece).expect("the connection holds") {
                    0 => return start.elapsed().as_secs_f64() * 1e9 / bytes as f64,
                    read => bytes += read,
                }
            }
        });
        way.client.run(|| {
            End::Client.keep_to_a_processor();
            let mut stream = way.connect();
            let (start, piece) = (Instant::now(), vec![0; PIECE]);
            while start.elapsed() < LASTS {
                stream.write_all(&piece).expect("the connection holds");
            }
        });
        received.join().expect("the receiver ends")
    })
}
