//! Stops containers without the engine: by their stop signals, then by KILL.
//!
//! Not by the API's stop, which the engine remembers as the user's wish, so that an
//! `unless-stopped` container would not come back after a reboot; and not while the engine runs,
//! which would restart `always` containers at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use gantry_ids::Signal as Named;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use crate::client::Client;

/// docker's grace where neither the container nor the user names one.
const GRACE: i64 = 10;
const EVERY: Duration = Duration::from_millis(10);

/// A running container's first process.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: String,
    process: OwnedFd,
    signal: Signal,
    grace: Duration,
}

/// The running containers, held by descriptors, so that a number that is used again is never hit.
pub(super) async fn targets(client: &Client, timeout: Option<i64>) -> Result<Vec<Target>> {
    let running: Vec<Value> = client.get("/containers/json").fetch().await?;
    let ids = running.iter().filter_map(|one| one["Id"].as_str());
    let asked = join_all(ids.map(|id| client.get(format!("/containers/{id}/json")).value())).await;
    let mut targets = Vec::new();
    for container in asked.into_iter().flatten() {
        if container["State"]["Paused"] == true {
            // A frozen process hears no signal.
            let id = container["Id"].as_str().unwrap_or_default();
            let _ = client
                .post(format!("/containers/{id}/unpause"))
                .done()
                .await;
        }
        targets.extend(target(&container, timeout));
    }
    Ok(targets)
}

fn target(container: &Value, timeout: Option<i64>) -> Option<Target> {
    let pid = container["State"]["Pid"]
        .as_i64()
        .and_then(|pid| i32::try_from(pid).ok())?;
    let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    let config = &container["Config"];
    let named = config["StopSignal"]
        .as_str()
        .and_then(|name| name.parse::<Named>().ok());
    let signal = named.and_then(|signal| Signal::from_named_raw(i32::from(signal.number())));
    let seconds = timeout.or(config["StopTimeout"].as_i64()).unwrap_or(GRACE);
    Some(Target {
        id: container["Id"].as_str()?.to_owned(),
        process,
        signal: signal.unwrap_or(Signal::TERM),
        grace: Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX / 4)),
    })
}

impl Target {
    /// Ends the container; its exit is kept by its shim.
    pub(super) async fn halt(&self) {
        // Errors mean that it is gone already.
        let _ = pidfd_send_signal(&self.process, self.signal);
        let deadline = Instant::now().checked_add(self.grace);
        let mut killed = false;
        while !self.has_ended() {
            if !killed && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let _ = pidfd_send_signal(&self.process, Signal::KILL);
                killed = true;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn has_ended(&self) -> bool {
        let mut wanted = [PollFd::new(&self.process, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut wanted, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}
