//! `gantry engine stop`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;
use serde::Deserialize;

use super::place::{Place, PlaceFlags};
use super::supervisor;
use crate::client::Client;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// How long an engine may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(20);

/// Stop the local engine; containers run on
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    place: PlaceFlags,
    /// Stop all containers first, by their stop signals
    #[arg(short, long)]
    all: bool,
    /// Seconds each container is given (its own, if none is named)
    #[arg(short, long, value_name = "int")]
    timeout: Option<i64>,
}

/// The engine's answer once all containers have ended.
#[derive(Debug, Deserialize)]
struct Halted {
    #[serde(rename = "Ended")]
    ended: Vec<String>,
}

/// Has the engine end all containers, and then itself. Not by the API's stop of each, which the engine
/// remembers as the user's wish, so that an `unless-stopped` container would not come back.
async fn halt(client: &Client, timeout: Option<i64>) -> Result<Vec<String>> {
    let seconds = timeout.map(|seconds| seconds.to_string());
    let call = client.post("/gantry/halt").maybe("t", seconds);
    let Halted { ended } = call.fetch().await?;
    Ok(ended)
}

impl Execute for Stop {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let place = self.place.place(cx)?;
        let client = Client::new(place.asked.clone());
        let running = client.ping().await.is_ok();
        let Some(pid) = place.process() else {
            if running {
                bail!(
                    "an engine answers at {}, but {} names no process of it; was it started by systemd? Then: systemctl stop gantryd",
                    place.asked,
                    place.pidfile.display()
                );
            }
            cx.printer.say("no engine runs");
            return Ok(Exit::SUCCESS);
        };
        let ended = if self.all {
            halt(&client, self.timeout).await?
        } else {
            Place::signal(pid, Signal::TERM)?;
            Vec::new()
        };
        let deadline = Instant::now() + PATIENCE;
        while place.process() == Some(pid) {
            if Instant::now() > deadline {
                bail!(
                    "the engine (pid {}) did not end within {PATIENCE:?}",
                    pid.as_raw_nonzero()
                );
            }
            tokio::time::sleep(EVERY).await;
        }
        if self.all {
            supervisor::end(&place.exec_root);
        }
        for id in &ended {
            cx.printer.line(id)?;
        }
        cx.printer.say("the engine has stopped");
        Ok(Exit::SUCCESS)
    }
}
