//! Network namespaces: made on a thread of their own, kept by a bind mount, entered for a moment.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;

use gantry_linux::namespace::{Namespaces, unshare};
use gantry_netlink::{Protocol, Socket, route};
use rustix::mount::{self, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::NetworkError;

fn step<'a>(step: &'static str, path: &'a Path) -> impl Fn(io::Error) -> NetworkError + 'a {
    move |source| NetworkError::Namespace {
        step,
        path: path.to_owned(),
        source,
    }
}

/// Makes a namespace with its loopback up and binds it to the file `path`, in place of what is there.
pub(crate) fn create(path: &Path) -> Result<(), NetworkError> {
    remove(path)?;
    fs::File::create_new(path).map_err(step("make the file of", path))?;
    let made = on_a_thread(|| {
        unshare(Namespaces::NETWORK).map_err(step("make", path))?;
        let mut socket = Socket::open(Protocol::Route).map_err(NetworkError::Links)?;
        socket
            .request(&[route::loopback_up()])
            .map_err(NetworkError::Links)?;
        mount::mount_bind("/proc/thread-self/ns/net", path)
            .map_err(|e| step("keep", path)(e.into()))
    });
    if made.is_err() {
        // The file is no namespace: what failed is the answer, not that it could not be cleaned up.
        let _ = fs::remove_file(path);
    }
    made
}

/// Takes the bind mount away; the namespace goes when its last process has. No error if there is none.
pub(crate) fn remove(path: &Path) -> Result<(), NetworkError> {
    match mount::unmount(path, UnmountFlags::DETACH) {
        // EINVAL: a file, but no mount (the machine was restarted, or a crash in `create`).
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::INVAL) => {}
        Err(errno) => return Err(step("unmount", path)(errno.into())),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(step("remove the file of", path)(error))
        }
        _ => Ok(()),
    }
}

/// Opens a namespace; an error if the file is not one.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, NetworkError> {
    let file: OwnedFd = fs::File::open(path).map_err(step("open", path))?.into();
    let kind = rustix::fs::fstatfs(&file).map_err(|e| step("open", path)(e.into()))?;
    /// `NSFS_MAGIC`.
    const NAMESPACE_FILES: i64 = 0x6e73_6673;
    if kind.f_type == NAMESPACE_FILES {
        Ok(file)
    } else {
        Err(step("open", path)(io::Error::from(
            io::ErrorKind::InvalidData,
        )))
    }
}

/// Runs `work` inside a namespace, on a thread that ends with it.
pub(crate) fn enter<T: Send>(
    namespace: &OwnedFd,
    path: &Path,
    work: impl FnOnce() -> Result<T, NetworkError> + Send,
) -> Result<T, NetworkError> {
    on_a_thread(|| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|errno| step("enter", path)(errno.into()))?;
        work()
    })
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
