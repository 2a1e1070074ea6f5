//! `gantry engine stop`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::future::join_all;
use rustix::process::Signal;

use super::halt::{Target, targets};
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
        let targets = if self.all {
            targets(&client, self.timeout).await?
        } else {
            Vec::new()
        };
        Place::signal(pid, Signal::TERM)?;
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
        join_all(targets.iter().map(Target::halt)).await;
        if self.all {
            supervisor::end(&place.exec_root);
        }
        for target in &targets {
            cx.printer.line(&target.id)?;
        }
        cx.printer.say("the engine has stopped");
        Ok(Exit::SUCCESS)
    }
}
