//! A shell in the place of a failed program: its root, mounts, variables, user, network and group, with
//! the terminal of a client (ADR 52).
//!
//! The place is told to the client by an identity. Whoever names it in time gets the shell; the step
//! fails when the shell has ended, when nobody came, or when the build was cancelled.

use std::collections::HashMap;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantry_build::{Cancel, Run, RunError};
use gantry_ids::ContainerId;
use gantry_stdio::Attach;
use tokio::sync::oneshot;

use super::super::error::ContainerError;
use super::{Programs, record, refusal, refused};

/// How long a client may take to enter.
const ENTER_LIMIT: Duration = Duration::from_secs(60);

/// The shell where the step does not name one.
const SHELL: &str = "/bin/sh";

/// A client that enters.
#[derive(Debug)]
pub struct Visitor {
    /// The client's connection: a terminal's bytes.
    pub socket: OwnedFd,
    /// What it sent before the connection was taken over.
    pub prefix: Vec<u8>,
}

/// The places that can be entered, by identity; taken once.
pub(super) type Shells = Mutex<HashMap<ContainerId, Option<oneshot::Sender<Visitor>>>>;

/// A place that is told of; dropped, it cannot be entered.
struct Place<'a>(&'a Shells, ContainerId);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut shells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shells.remove(&self.1);
    }
}

impl Programs {
    /// Keeps the place of a failed program until a client has entered and left it, none came, or the
    /// build was cancelled. `announce` is told the place's identity. A client is told in its terminal
    /// why there is no shell. Blocks.
    pub(crate) fn hold(&self, run: &Run<'_>, announce: &dyn Fn(&str), cancel: &Cancel) {
        let id = ContainerId::generate();
        let (sender, visitor) = oneshot::channel();
        let place = Place(&self.shells, id.clone());
        self.shells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), Some(sender));
        announce(id.as_str());
        let entered = async { Ok(tokio::time::timeout(ENTER_LIMIT, visitor).await) };
        let Ok(Ok(Ok(visitor))) = self.unless_cancelled(cancel, entered) else {
            return;
        };
        let copy = visitor.socket.try_clone();
        if let Err(RunError::Refused(refusal)) = self.visit(run, &id, (visitor, cancel))
            && let Ok(copy) = copy
        {
            tell(copy, &refusal.text);
        }
        drop(place);
    }

    /// Runs the shell to its end.
    fn visit(
        &self,
        run: &Run<'_>,
        id: &ContainerId,
        (visitor, cancel): (Visitor, &Cancel),
    ) -> Result<u32, RunError> {
        let mut step = run.step.clone();
        step.args = vec![shell_of(&run.step.args).to_owned()];
        let run = Run {
            id: id.as_str(),
            step: &step,
            ..*run
        };
        let mut record = record::of(&self.parts, &run).map_err(|error| refusal(&error))?;
        record.config.tty = true;
        record.config.open_stdin = true;
        record.config.stdin_once = true;
        let attach = Attach {
            stdin: true,
            stdout: true,
            prefix: visitor.prefix,
            ..Attach::default()
        };
        let stream = (attach, visitor.socket);
        self.within(&record, &run, || {
            self.unless_cancelled(cancel, async {
                let started = self.start(&record, &run, stream).await;
                started.map_err(|error| refusal(&error))?;
                Ok(self.reap(&record.id, None).await.unwrap_or_default())
            })
        })
    }

    /// The right to enter a place.
    ///
    /// # Errors
    /// There is none of that identity, or somebody has entered it.
    pub(crate) fn enter(&self, id: &str) -> Result<oneshot::Sender<Visitor>, ContainerError> {
        let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        shells
            .get_mut(id)
            .and_then(Option::take)
            .ok_or_else(|| ContainerError::NotFound(id.to_owned()))
    }

    /// Sets the size of a shell's terminal: width and height in characters.
    ///
    /// # Errors
    /// There is none of that identity, or it has not begun.
    pub(crate) async fn resize(&self, id: &str, size: (u32, u32)) -> Result<(), ContainerError> {
        let id: ContainerId = id
            .parse()
            .map_err(|_| ContainerError::NotFound(id.to_owned()))?;
        let is_there = {
            let shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
            shells.contains_key(&id)
        };
        if !is_there {
            return Err(ContainerError::NotFound(id.to_string()));
        }
        let resized = self.supervisor.resize(&id, "", size).await;
        resized.map_err(|error| refused("resize", &error))
    }
}

/// The shell that a step names: `["/bin/bash", "-o", "pipefail", "-c", "make"]`.
fn shell_of(args: &[String]) -> &str {
    match args {
        [shell, .., flag, _] if flag.starts_with('-') && flag.ends_with('c') => shell,
        _ => SHELL,
    }
}

/// The client has left HTTP: it reads of a failure in its terminal.
fn tell(socket: OwnedFd, text: &str) {
    // write(2) and shutdown(2) do not care which family the socket is of.
    let mut stream = UnixStream::from(socket);
    drop(stream.write_all(format!("{text}\r\n").as_bytes()));
    drop(stream.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_is_the_steps_own() {
        let of = |line: &str| {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            shell_of(&args).to_owned()
        };
        assert_eq!(of("/bin/bash -o pipefail -c make"), "/bin/bash");
        assert_eq!(of("/bin/ash -ec make"), "/bin/ash");
        assert_eq!(of("/bin/make -c"), "/bin/sh");
        assert_eq!(of("make all"), "/bin/sh");
    }
}
