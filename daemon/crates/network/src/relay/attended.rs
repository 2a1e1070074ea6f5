//! Ports of the host that one thread attends to: its books, how it waits, and how it ends.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// What tells the thread to end.
const STOP: u64 = 0;

/// A port that is relayed.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) host: SocketAddr,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) target: SocketAddr,
}

/// The ports by the numbers that the kernel tells them with, from 1 on.
#[derive(Debug, Default)]
pub(super) struct Ports {
    pub(super) by_number: BTreeMap<u64, Port>,
    last: u64,
}

/// What the thread and its owner share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) epoll: OwnedFd,
    stop: OwnedFd,
    ports: Mutex<Ports>,
}

impl Shared {
    fn new() -> io::Result<Self> {
        let shared = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            stop: eventfd(0, EventfdFlags::CLOEXEC)?,
            ports: Mutex::default(),
        };
        let stop = EventData::new_u64(STOP);
        epoll::add(&shared.epoll, &shared.stop, stop, EventFlags::IN)?;
        Ok(shared)
    }

    /// The books; who holds them knows that no port comes or goes.
    pub(super) fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is to be read, or for as long as the limit says; `false` when it is over.
    pub(super) fn wait(&self, events: &mut Vec<Event>, limit: Option<&Timespec>) -> bool {
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), limit) {
            Ok(_) | Err(Errno::INTR) => events.iter().all(|event| event.data.u64() != STOP),
            Err(errno) => {
                tracing::error!(error = %io::Error::from(errno), "the relay has ended");
                false
            }
        }
    }
}

/// Ports and their thread, which is started with the first of them and ends when this is dropped.
#[derive(Debug)]
pub(super) struct Attended {
    name: &'static str,
    work: fn(&Shared),
    running: Mutex<Option<(Arc<Shared>, JoinHandle<()>)>>,
}

impl Attended {
    /// No port yet; `work` is what the thread does, until [`Shared::wait`] says that it is over.
    pub(super) fn new(name: &'static str, work: fn(&Shared)) -> Self {
        Self {
            name,
            work,
            running: Mutex::default(),
        }
    }

    /// Leads what arrives at `host` on to `target`, whatever it was led to before.
    pub(super) fn lead(
        &self,
        host: SocketAddr,
        socket: &Arc<OwnedFd>,
        target: SocketAddr,
    ) -> io::Result<()> {
        self.forget(&[host]);
        let shared = self.start()?;
        let mut ports = shared.ports();
        ports.last += 1;
        let number = ports.last;
        let data = EventData::new_u64(number);
        epoll::add(&shared.epoll, socket.as_fd(), data, EventFlags::IN)?;
        let port = Port {
            host,
            socket: Arc::clone(socket),
            target,
        };
        ports.by_number.insert(number, port);
        Ok(())
    }

    /// Takes nothing more for these.
    pub(super) fn forget(&self, hosts: &[SocketAddr]) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((shared, _)) = running.as_ref() else {
            return;
        };
        let mut ports = shared.ports();
        let gone = ports
            .by_number
            .extract_if(.., |_, port| hosts.contains(&port.host));
        for (_, port) in gone {
            // One that is not there any more is as good.
            let _ = epoll::delete(&shared.epoll, port.socket.as_fd());
        }
    }

    fn start(&self) -> io::Result<Arc<Shared>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((shared, _)) = running.as_ref() {
            return Ok(Arc::clone(shared));
        }
        let shared = Arc::new(Shared::new()?);
        let (theirs, work) = (Arc::clone(&shared), self.work);
        let thread = thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || work(&theirs))?;
        *running = Some((Arc::clone(&shared), thread));
        Ok(shared)
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let Some((shared, thread)) = running.take() else {
            return;
        };
        let told = rustix::io::write(&shared.stop, &1_u64.to_ne_bytes());
        if told.is_ok() && thread.join().is_err() {
            tracing::error!(thread = self.name, "a thread of the relay panicked");
        }
    }
}
