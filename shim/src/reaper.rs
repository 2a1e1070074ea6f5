//! Ends of children. The shim is the subreaper of its container: whatever loses its parent there
//! becomes the shim's child, among it the container's own processes when the runtime that made them
//! exits. All children are waited for in one place, so that none stays a zombie.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::process::{Pid, WaitOptions, WaitStatus};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exits::Exit;

/// The one who waits for all children.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    awaited: HashMap<Pid, oneshot::Sender<Exit>>,
    /// Ends that came before anybody knew the pid; kept only while somebody may ask.
    early: HashMap<Pid, Exit>,
    expecting: usize,
}

/// While one lives, no end is thrown away: a process may end before its pid is known.
#[derive(Debug)]
pub(crate) struct Expectation {
    reaper: Arc<Reaper>,
}

impl Reaper {
    /// Becomes the subreaper and starts waiting.
    ///
    /// # Errors
    /// What `prctl(2)` or `sigaction(2)` says.
    pub(crate) fn start() -> io::Result<Arc<Self>> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let ended = signal(SignalKind::child())?;
        let reaper = Arc::new(Self::default());
        tokio::spawn(run(reaper.clone(), ended));
        Ok(reaper)
    }

    /// Announces that a process is about to be made whose pid will be awaited.
    pub(crate) fn expect(self: &Arc<Self>) -> Expectation {
        self.state().expecting += 1;
        Expectation {
            reaper: self.clone(),
        }
    }

    fn reap(&self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let exit = Exit {
                status: code(status),
                at: SystemTime::now(),
            };
            let mut state = self.state();
            match state.awaited.remove(&pid) {
                Some(waiter) => drop(waiter.send(exit)),
                None if state.expecting > 0 => drop(state.early.insert(pid, exit)),
                None => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expectation {
    /// The end of the child `pid`, whether it has come or is to come.
    pub(crate) fn wait_for(&self, pid: Pid) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.reaper.state();
        match state.early.remove(&pid) {
            Some(exit) => drop(sender.send(exit)),
            None => drop(state.awaited.insert(pid, sender)),
        }
        receiver
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        let mut state = self.reaper.state();
        state.expecting -= 1;
        if state.expecting == 0 {
            state.early = HashMap::new();
        }
    }
}

async fn run(reaper: Arc<Reaper>, mut ended: Signal) {
    loop {
        reaper.reap();
        if ended.recv().await.is_none() {
            return;
        }
    }
}

/// As shells and docker say it: the exit code, or 128 and the signal's number.
fn code(status: WaitStatus) -> u32 {
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(255);
    u32::try_from(code).unwrap_or(255)
}
