//! `gantry network rm`.

use anyhow::Result;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};

/// Remove one or more networks
#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    /// Do not mind networks that do not exist
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK")]
    args: Vec<String>,
}

impl Execute for Rm {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let mut failed = false;
        for name in &self.args {
            match cx.client().delete(format!("/networks/{name}")).done().await {
                Ok(()) => cx.printer.line(name)?,
                Err(error) if self.force && error.is_not_found() => {}
                Err(error) if error.status().is_some() => {
                    cx.printer.say(error);
                    failed = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if failed {
            Err(Failure::new(1, "exit status 1").into())
        } else {
            Ok(Exit::SUCCESS)
        }
    }
}
