//! `gantry wait`: blocks until containers stop, prints their exit codes.

use anyhow::Result;
use gantry_engine_api::container::WaitResponse;

use super::each::finish;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Block until one or more containers stop, then print their exit codes
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Wait {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let mut errors = Vec::new();
        for name in &self.args {
            let call = cx.client().post(format!("/containers/{name}/wait"));
            match call.fetch::<WaitResponse>().await {
                Ok(end) => match end.error {
                    Some(error) if !error.message.is_empty() => errors.push(error.message),
                    _ => {
                        cx.printer.line(end.status_code)?;
                        cx.printer.flush()?;
                    }
                },
                Err(error) => errors.push(error.to_string()),
            }
        }
        finish(&errors)
    }
}
