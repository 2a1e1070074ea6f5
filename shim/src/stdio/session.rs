//! One attached client's session: output to it, input from it, until the process ends, the client
//! types its detach keys, or the client goes away.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use gantry_stdio::{Answer, Attach, Ended};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags};
use rustix::net::{RecvFlags, Shutdown};
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::hub::Hub;
use super::keys::{DetachKeys, Typed};
use super::stdin::Stdin;

/// The most that is taken from a client at once, in bytes.
const READ_LEN: usize = 32 * 1024;
/// How long a finished session waits for the client to close, so that closing our end does not reset
/// the connection under output that the client has not read.
const LINGER: Duration = Duration::from_secs(2);
/// How often a client that has closed its sending side is looked at, to see whether it has gone.
const HANGUP_CHECK: Duration = Duration::from_secs(2);

/// What a session is joined to.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// The process's output.
    pub(crate) hub: Arc<Hub>,
    /// The process's input.
    pub(crate) stdin: Arc<Stdin>,
    /// Whether the input ends with the first session that has it.
    pub(crate) stdin_once: bool,
}

/// Opens or ends a held session.
#[derive(Debug)]
pub(crate) struct Gate(Arc<Client>);

impl Gate {
    /// The client gets its output from now on.
    pub(crate) fn open(self) {
        self.0.release();
    }

    /// The client will never have got what comes first: it is let go.
    pub(crate) fn abandon(self) {
        self.0.drop_now();
    }
}

/// An attached client that is already receiving.
#[derive(Debug)]
pub(crate) struct Session {
    client: Arc<Client>,
    request: Attach,
    ticket: Ticket,
}

impl Session {
    /// Joins `socket`, a stream socket, to a process, and says what to answer. Output is kept for the
    /// client from here on.
    ///
    /// # Errors
    /// The descriptor is not a socket; a client that wants to be held finds no log.
    pub(crate) fn join(
        socket: OwnedFd,
        request: Attach,
        ticket: Ticket,
    ) -> io::Result<(Self, Answer)> {
        rustix::net::sockopt::socket_type(&socket)?;
        let client = Arc::new(Client::new(socket, &request)?);
        let answer = if request.hold {
            Answer::Held(ticket.hub.join_held(&client)?)
        } else {
            ticket.hub.join(&client);
            Answer::Ok(true)
        };
        let session = Self {
            client,
            request,
            ticket,
        };
        Ok((session, answer))
    }

    /// What a held session waits for.
    pub(crate) fn gate(&self) -> Gate {
        Gate(self.client.clone())
    }

    /// Serves the client to its end, which `ended` is told before the connection is let go.
    pub(crate) async fn run(self, tell: impl FnOnce(Ended)) {
        let Self {
            client,
            request,
            ticket,
        } = self;
        let ended = tokio::select! {
            delivered = client.deliver(|| ticket.hub.moved()) => match delivered {
                Ok(()) => Ended::Exited,
                Err(_) => Ended::Client,
            },
            ended = receive(&client, &request, &ticket) => ended,
        };
        ticket.hub.leave(&client);
        if request.stdin && ticket.stdin_once && ended == Ended::Client {
            ticket.stdin.close();
        }
        let _ = rustix::net::shutdown(&client.socket, Shutdown::Write);
        tell(ended);
        if ended != Ended::Client {
            let _ = timeout(LINGER, discard(&client)).await;
        }
    }
}

/// Passes the client's input on; ends only if the session does.
async fn receive(client: &Client, request: &Attach, ticket: &Ticket) -> Ended {
    let mut keys = DetachKeys::new(request.detach_keys.clone());
    let mut typed = request.prefix.clone();
    loop {
        if request.stdin && !typed.is_empty() {
            let mut passed = Vec::with_capacity(typed.len());
            let end = keys.filter(&typed, &mut passed);
            ticket.stdin.write_all(&passed).await;
            if end == Typed::Detach {
                return Ended::Detached;
            }
        }
        tokio::task::yield_now().await;
        match read(client).await {
            Ok(bytes) if !bytes.is_empty() => typed = bytes,
            Ok(_) => break,
            Err(_) => return Ended::Client,
        }
    }
    if request.stdin && ticket.stdin_once {
        ticket.stdin.close();
    }
    while !hung_up(client) {
        sleep(HANGUP_CHECK).await;
    }
    Ended::Client
}

/// Whether both directions are closed. A TCP client that closed both looks as if it had closed one
/// until something is sent to it.
fn hung_up(client: &Client) -> bool {
    let mut poll = [PollFd::new(&client.socket, PollFlags::empty())];
    let ready = rustix::event::poll(&mut poll, Some(&rustix::event::Timespec::default()));
    ready.is_ok()
        && poll[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR)
}

async fn discard(client: &Client) {
    while read(client).await.is_ok_and(|bytes| !bytes.is_empty()) {}
}

/// Waits for bytes; none mean that the client sends no more.
async fn read(client: &Client) -> io::Result<Vec<u8>> {
    loop {
        let mut guard = client.socket.readable().await?;
        let mut bytes = Vec::with_capacity(READ_LEN);
        let result = guard.try_io(|fd| {
            rustix::io::retry_on_intr(|| {
                rustix::net::recv(fd, spare_capacity(&mut bytes), RecvFlags::DONTWAIT)
            })
            .map_err(io::Error::from)
        });
        if let Ok(result) = result {
            result?;
            return Ok(bytes);
        }
    }
}
