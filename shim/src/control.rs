//! The stdio socket (`docs/protocols/stdio.md`): clients are attached, descriptors parked and
//! fetched, the container's name server started. Whoever asks may die at any time; sessions, parked
//! descriptors and the name server stay.

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gantry_errors::chain;
use gantry_resolver::serve::{Server, Service, Sockets};
use gantry_stdio::{Answer, Attach, Connection, Listener, NAMES_TCP, Request, SocketError};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stdio::{Gate, Session};
use crate::task::Task;
use crate::watched;

/// The sockets that are listened on, and the descriptors kept for others.
#[derive(Debug)]
pub(crate) struct Control {
    /// How many clients are attached.
    sessions: watch::Sender<usize>,
    bound: Mutex<Vec<PathBuf>>,
    parked: Mutex<HashMap<String, OwnedFd>>,
    /// The container's name server.
    names: Mutex<Option<JoinHandle<()>>>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            sessions: watch::Sender::new(0),
            bound: Mutex::default(),
            parked: Mutex::default(),
            names: Mutex::default(),
        }
    }
}

impl Control {
    /// Waits until no client is attached. Those that take nothing are dropped after a while, so this
    /// has an end once the processes have ended.
    pub(crate) async fn vacated(&self) {
        let mut sessions = self.sessions.subscribe();
        // The sender is ours, so there is always an answer.
        let _ = sessions.wait_for(|count| *count == 0).await;
    }

    /// Listens at `path` if nobody does yet.
    pub(crate) fn listen(&self, path: &Path, task: &Arc<Task>) -> Result<(), SocketError> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.iter().any(|known| known == path) {
            return Ok(());
        }
        let listener = Listener::bind(path)?;
        let listener = watched::watch(listener).map_err(|_| SocketError::Accept(Errno::NOMEM))?;
        bound.push(path.to_owned());
        tokio::spawn(accept(listener, task.clone()));
        Ok(())
    }

    /// Removes the sockets' files.
    pub(crate) fn close(&self) {
        for path in self
            .bound
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let _ = std::fs::remove_file(path);
        }
    }

    fn park(&self, name: String, descriptor: Option<OwnedFd>) -> Answer {
        let Some(descriptor) = descriptor else {
            return Answer::Error("park needs a descriptor".to_owned());
        };
        self.parked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, descriptor);
        Answer::Ok(true)
    }

    /// Serves names from now on, on `udp` and on the listener parked before, for as long as the shim
    /// lives.
    fn serve_names(&self, service: &Service, udp: Option<OwnedFd>) -> Answer {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(udp), Some(tcp)) = (udp, parked.remove(NAMES_TCP)) else {
            return Answer::Error("names need two sockets".to_owned());
        };
        let sockets = Sockets {
            udp: udp.into(),
            tcp: tcp.into(),
        };
        let server = match Server::open(sockets, service) {
            Ok(server) => server,
            Err(error) => return Answer::Error(format!("serve names: {error}")),
        };
        let serving = tokio::spawn(server.run());
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = names.replace(serving) {
            before.abort();
        }
        Answer::Ok(true)
    }

    fn fetch(&self, name: &str, connection: &Connection) -> Result<(), SocketError> {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        match parked.get(name) {
            Some(descriptor) => connection.send_answer(&Answer::Ok(true), Some(descriptor.as_fd())),
            None => {
                let error = format!("nothing is parked as {name:?}");
                connection.send_answer(&Answer::Error(error), None)
            }
        }
    }
}

async fn accept(listener: AsyncFd<Listener>, task: Arc<Task>) {
    while let Ok(mut guard) = listener.readable().await {
        match listener.get_ref().accept() {
            Ok(connection) => drop(tokio::spawn(serve(connection, task.clone()))),
            Err(error) if error.would_block() => guard.clear_ready(),
            // Not root, or gone before it was accepted.
            Err(_) => {}
        }
    }
}

async fn serve(connection: Connection, task: Arc<Task>) {
    let Ok(connection) = watched::watch(connection) else {
        return;
    };
    let (request, descriptor) = match receive(&connection).await {
        Ok(Some(message)) => message,
        Ok(None) => return,
        Err(error) => {
            let answer = Answer::Error(chain(&error).to_string());
            let _ = connection.get_ref().send_answer(&answer, None);
            return;
        }
    };
    if let Request::Attach(attach) = request {
        return serve_attach(&connection, &task, attach, descriptor).await;
    }
    // A peer that has gone does not hear the answer; what it asked for is done all the same.
    let connection = connection.get_ref();
    match request {
        Request::Attach(_) | Request::Release => {
            let error = "nothing is attached by this connection".to_owned();
            let _ = connection.send_answer(&Answer::Error(error), None);
        }
        Request::Park { name } => {
            let _ = connection.send_answer(&task.control.park(name, descriptor), None);
        }
        Request::Names { table, namespace } => {
            let answer = task
                .control
                .serve_names(&Service { table, namespace }, descriptor);
            let _ = connection.send_answer(&answer, None);
        }
        Request::Fetch { name } => drop(task.control.fetch(&name, connection)),
    }
}

async fn serve_attach(
    connection: &AsyncFd<Connection>,
    task: &Task,
    attach: Attach,
    descriptor: Option<OwnedFd>,
) {
    let peer = connection.get_ref();
    match join(task, attach, descriptor) {
        Ok((session, answer)) => {
            task.control.sessions.send_modify(|count| *count += 1);
            let _ = peer.send_answer(&answer, None);
            let held = matches!(answer, Answer::Held(_)).then(|| session.gate());
            tokio::select! {
                () = session.run(|ended| drop(peer.send_answer(&Answer::Ended(ended), None))) => {}
                never = release(connection, held) => match never {},
            }
            task.control.sessions.send_modify(|count| *count -= 1);
        }
        Err(error) => drop(peer.send_answer(&Answer::Error(error), None)),
    }
}

/// Opens a held session when the peer says so; a peer that goes away before ends it.
async fn release(connection: &AsyncFd<Connection>, held: Option<Gate>) -> Infallible {
    if let Some(gate) = held {
        match receive(connection).await {
            Ok(Some((Request::Release, _))) => gate.open(),
            Ok(_) | Err(_) => gate.abandon(),
        }
    }
    std::future::pending().await
}

fn join(
    task: &Task,
    attach: Attach,
    descriptor: Option<OwnedFd>,
) -> Result<(Session, Answer), String> {
    let process = task
        .process(&attach.process)
        .map_err(|error| chain(&error).to_string())?;
    let ticket = process
        .streams
        .ticket()
        .ok_or("the process's streams are not served here")?;
    let socket = descriptor.ok_or("attach needs a descriptor")?;
    Session::join(socket, attach, ticket).map_err(|error| format!("attach: {error}"))
}

async fn receive(
    connection: &AsyncFd<Connection>,
) -> Result<Option<(Request, Option<OwnedFd>)>, SocketError> {
    loop {
        let Ok(mut guard) = connection.readable().await else {
            return Ok(None);
        };
        match connection.get_ref().recv_request() {
            Err(error) if error.would_block() => guard.clear_ready(),
            result => return result,
        }
    }
}
