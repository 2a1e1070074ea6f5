//! Sockets in the container's network namespace, made by a thread that lives in the host's.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where a server is asked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The container's namespace.
    Container,
    /// The namespace this program was started in.
    Host,
}

/// The two namespaces.
#[derive(Debug)]
pub(super) struct Places {
    container: OwnedFd,
    host: OwnedFd,
}

impl Places {
    pub(super) fn open(container: &Path) -> io::Result<Self> {
        Ok(Self {
            container: File::open(container)?.into(),
            host: File::open("/proc/thread-self/ns/net")?.into(),
        })
    }

    /// Runs `make`, which must not wait, in one of the two. A socket belongs for ever to the namespace
    /// it was made in.
    pub(super) fn within<T>(
        &self,
        place: Place,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if place == Place::Host {
            return make();
        }
        enter(&self.container)?;
        let made = make();
        enter(&self.host)?;
        made
    }
}

fn enter(namespace: &OwnedFd) -> io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}
