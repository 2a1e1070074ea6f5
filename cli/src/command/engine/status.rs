//! `gantry engine status`.

use anyhow::Result;
use serde_json::{Value, json};

use super::place::PlaceFlags;
use crate::client::Client;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::format::{go_pretty, plain_compact};

/// Tell whether the engine runs, and where it keeps what
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    place: PlaceFlags,
    /// 'json' for programs
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
}

impl Execute for Status {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let place = self.place.place(cx)?;
        let client = Client::new(place.asked.clone());
        let version: Option<Value> = client.get("/version").value().await.ok();
        let pid = place.process().map(|pid| pid.as_raw_nonzero().get());
        let state = match (&version, pid) {
            (Some(_), _) => "running",
            (None, Some(_)) => "not answering",
            (None, None) => "stopped",
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let engine = version.as_ref().map(|version| text(&version["Version"]));
        let all = json!({
            "State": state,
            "Pid": pid,
            "Host": place.asked.to_string(),
            "Version": engine,
            "DataRoot": place.data_root,
            "ExecRoot": place.exec_root,
            "LogFile": place.log_file,
        });
        match self.format.as_str() {
            "json" => cx.printer.line(plain_compact(&all))?,
            "pretty" => cx.printer.line(go_pretty(&all))?,
            _ => {
                cx.printer.line(format!("State:     {state}"))?;
                if let Some(pid) = pid {
                    cx.printer.line(format!("Pid:       {pid}"))?;
                }
                if let Some(engine) = engine {
                    cx.printer.line(format!("Version:   {engine}"))?;
                }
                cx.printer.line(format!("Host:      {}", place.asked))?;
                cx.printer
                    .line(format!("Data root: {}", place.data_root.display()))?;
                cx.printer
                    .line(format!("Exec root: {}", place.exec_root.display()))?;
                cx.printer
                    .line(format!("Log file:  {}", place.log_file.display()))?;
            }
        }
        // As systemctl: 3 means that it does not run.
        if version.is_some() {
            Ok(Exit::SUCCESS)
        } else {
            Err(Failure::new(3, "").into())
        }
    }
}
