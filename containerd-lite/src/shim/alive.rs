//! The shim's process, held by a pidfd: its end is seen without polling, and a reused process id is
//! never mistaken for it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process that was alive when this was made.
#[derive(Clone, Debug)]
pub(crate) struct Alive {
    pid: u32,
    descriptor: Arc<AsyncFd<OwnedFd>>,
}

impl Alive {
    /// Takes hold of a process.
    ///
    /// # Errors
    /// There is no such process.
    pub(crate) fn hold(pid: u32) -> io::Result<Self> {
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let raw = raw.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let descriptor = rustix::process::pidfd_open(raw, PidfdFlags::NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "an OwnedFd keeps its descriptor open, which is all that the unsafe successor asks"
        )]
        let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        let descriptor = Arc::new(descriptor);
        Ok(Self { pid, descriptor })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns once it has ended.
    pub(crate) async fn ended(&self) {
        // An error means that the runtime shuts down; nobody asks any more then.
        if self.descriptor.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&self) {
        match rustix::process::pidfd_send_signal(self.descriptor.get_ref(), Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => tracing::warn!(pid = self.pid, %error, "a shim could not be killed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Alive;

    #[tokio::test]
    async fn the_end_of_a_process_is_seen() {
        let mut child = tokio::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("sleep");
        let alive = Alive::hold(child.id().expect("runs")).expect("alive");
        alive.kill();
        alive.ended().await;
        let status = child.wait().await.expect("reaped");
        assert!(!status.success());
        assert!(Alive::hold(0).is_err());
    }
}
