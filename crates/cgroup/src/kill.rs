//! Sending a signal to every process of a group.

use std::io;
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gantry_linux::signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::{Cgroup, CgroupError, file};

const SIGKILL: i32 = 9;
/// How long `kill_all` goes on while processes keep appearing.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Kills every process, also ones forked meanwhile, and waits until none is left.
    ///
    /// v2: `cgroup.kill`, one step. v1: frozen, signalled and thawed in turns, so that a fork bomb
    /// cannot outrun it.
    ///
    /// # Errors
    /// [`CgroupError::NotEmpty`] if processes are left after ten seconds.
    pub fn kill_all(&self) -> Result<(), CgroupError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            if !self.kill_round()? {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                let path = self.main_directory().unwrap_or("".as_ref()).to_owned();
                return Err(CgroupError::NotEmpty { path });
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Sends a signal once to every process now in the group.
    ///
    /// # Errors
    /// [`CgroupError::Read`]; processes that are gone by then are fine.
    pub fn signal_all(&self, number: i32) -> Result<(), CgroupError> {
        for pid in self.pids()? {
            let _gone = send(pid, number);
        }
        Ok(())
    }

    /// One try; whether there was anybody.
    fn kill_round(&self) -> Result<bool, CgroupError> {
        let pids = self.pids()?;
        if pids.is_empty() {
            return Ok(false);
        }
        if self.is_v2() {
            let kill = self.main_directory().map(|path| path.join("cgroup.kill"));
            if kill.is_some_and(|path| file::write(&path, "1").is_ok()) {
                return Ok(true);
            }
        }
        let frozen = self.freeze().is_ok();
        let pids = self.pids();
        for pid in pids.iter().flatten() {
            let _gone = send(*pid, SIGKILL);
        }
        if frozen {
            self.thaw()?;
        }
        Ok(true)
    }
}

fn send(pid: Pid, number: i32) -> io::Result<()> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    signal::send(pidfd.as_fd(), number)
}
