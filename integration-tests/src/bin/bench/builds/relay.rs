//! Stands between a client and an engine, and counts what the client sends.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A socket that leads to an engine's. Its threads end with their connections, and the one that waits
/// for connections with the program.
pub(super) struct Relay {
    pub(super) socket: PathBuf,
    sent: Arc<AtomicU64>,
}

impl Relay {
    pub(super) fn new(engine: &Path) -> Self {
        let (socket, engine) = (engine.with_extension("relay"), engine.to_owned());
        let listener = UnixListener::bind(&socket).expect("a socket");
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&engine) else {
                    continue;
                };
                let back = (server.try_clone(), client.try_clone());
                let count = Arc::clone(&count);
                thread::spawn(move || pass(client, server, &count));
                if let (Ok(server), Ok(client)) = back {
                    thread::spawn(move || pass(server, client, &AtomicU64::new(0)));
                }
            }
        });
        Self { socket, sent }
    }

    /// Bytes that clients have sent since this was asked last.
    pub(super) fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, count: &AtomicU64) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut bytes) {
        count.fetch_add(length as u64, Ordering::Relaxed);
        if length == 0 || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    // Whoever has gone already needs no end.
    let _ = to.shutdown(Shutdown::Write);
}
