//! The keeper: descriptors that outlive the engine's daemon (`docs/protocols/stdio.md`).
//!
//! `keeper.sock`, beside the gRPC socket, speaks `park` and `fetch`. What is parked is kept for as long
//! as this process lives, under its name. One thread serves one small request at a time; a peer that
//! says nothing is dropped after a second.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use gantry_errors::chain;
use gantry_stdio::{Answer, Connection, Listener, Request, SocketError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The socket's name, beside the gRPC socket.
const SOCKET: &str = "keeper.sock";
/// How many descriptors are kept at most.
const LIMIT: usize = 4096;
/// How long a peer may take to say what it wants.
const PATIENCE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Opens the socket beside `address` and serves it from a thread of its own.
///
/// # Errors
/// The socket cannot be bound.
pub(crate) fn start(address: &Path) -> Result<(), SocketError> {
    let listener = Listener::bind(&address.with_file_name(SOCKET))?;
    std::thread::Builder::new()
        .name("keeper".into())
        .stack_size(256 << 10)
        .spawn(move || serve(&listener))
        .expect("a thread can be started while the program starts");
    Ok(())
}

fn serve(listener: &Listener) {
    let mut kept = Kept::default();
    loop {
        if !readable(listener, None) {
            continue;
        }
        let served = match listener.accept() {
            Ok(peer) => attend(&mut kept, &peer),
            Err(error) => Err(error),
        };
        if let Err(error) = served
            && !error.would_block()
        {
            let error = chain(&error).to_string();
            tracing::warn!(error, "a keeper request failed");
        }
    }
}

fn readable(descriptor: &impl AsFd, limit: Option<&Timespec>) -> bool {
    let mut polled = [PollFd::new(descriptor, PollFlags::IN)];
    matches!(poll(&mut polled, limit), Ok(1..))
}

fn attend(kept: &mut Kept, peer: &Connection) -> Result<(), SocketError> {
    if !readable(peer, Some(&PATIENCE)) {
        return Ok(());
    }
    let Some((request, descriptor)) = peer.recv_request()? else {
        return Ok(());
    };
    let (answer, descriptor) = match kept.answer(request, descriptor) {
        Ok(descriptor) => (Answer::Ok(true), descriptor),
        Err(why) => (Answer::Error(why), None),
    };
    peer.send_answer(&answer, descriptor)
}

#[derive(Debug, Default)]
struct Kept(BTreeMap<String, OwnedFd>);

impl Kept {
    fn answer(
        &mut self,
        request: Request,
        descriptor: Option<OwnedFd>,
    ) -> Result<Option<std::os::fd::BorrowedFd<'_>>, String> {
        match (request, descriptor) {
            (Request::Park { name }, Some(descriptor)) => {
                if self.0.len() >= LIMIT && !self.0.contains_key(&name) {
                    return Err(format!("{LIMIT} descriptors are parked already"));
                }
                self.0.insert(name, descriptor);
                Ok(None)
            }
            (Request::Park { name }, None) => {
                Err(format!("no descriptor came to park as {name:?}"))
            }
            (Request::Fetch { name }, _) => match self.0.get(&name) {
                Some(descriptor) => Ok(Some(descriptor.as_fd())),
                None => Err(format!("nothing is parked as {name:?}")),
            },
            (Request::Attach(_) | Request::Release | Request::Names { .. }, _) => {
                Err("this is the keeper, not a shim".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::start;
    use gantry_stdio::{Answer, Connection, Request};
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::Path;

    fn ask(
        socket: &Path,
        request: &Request,
        descriptor: Option<&OwnedFd>,
    ) -> (Answer, Option<OwnedFd>) {
        let peer = Connection::connect(socket).expect("connected");
        peer.send_request(request, descriptor.map(AsFd::as_fd))
            .expect("sent");
        peer.recv_answer().expect("received").expect("an answer")
    }

    #[test]
    fn a_parked_descriptor_is_handed_back_as_often_as_asked() {
        let root = tempfile::tempdir().expect("temporary directory");
        start(&root.path().join("containerd.sock")).expect("started");
        let socket = root.path().join("keeper.sock");
        let name = || "api".to_owned();
        let (answer, _) = ask(&socket, &Request::Fetch { name: name() }, None);
        assert!(matches!(answer, Answer::Error(_)));
        let (answer, _) = ask(&socket, &Request::Park { name: name() }, None);
        assert!(matches!(answer, Answer::Error(_)));

        let (mut reader, writer) = std::io::pipe().expect("pipe");
        let writer = OwnedFd::from(writer);
        let (answer, _) = ask(&socket, &Request::Park { name: name() }, Some(&writer));
        assert_eq!(answer, Answer::Ok(true));
        drop(writer);
        for _ in 0..2 {
            let (answer, fetched) = ask(&socket, &Request::Fetch { name: name() }, None);
            assert_eq!(answer, Answer::Ok(true));
            let mut pipe = std::io::PipeWriter::from(fetched.expect("a descriptor"));
            pipe.write_all(b"x").expect("written");
            let mut byte = [0];
            reader.read_exact(&mut byte).expect("read");
        }
    }

    #[test]
    fn a_silent_peer_does_not_stop_others() {
        let root = tempfile::tempdir().expect("temporary directory");
        start(&root.path().join("containerd.sock")).expect("started");
        let socket = root.path().join("keeper.sock");
        let _silent = Connection::connect(&socket).expect("connected");
        let name = "nothing".to_owned();
        let (answer, _) = ask(&socket, &Request::Fetch { name }, None);
        assert!(matches!(answer, Answer::Error(_)));
    }
}
