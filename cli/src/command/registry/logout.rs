//! `gantry logout`.

use anyhow::Result;

use super::login::server;
use crate::context::Context;
use crate::credentials::Logins;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Log out from a registry
#[derive(Debug, clap::Args)]
pub(crate) struct LogOut {
    #[arg(value_name = "SERVER")]
    args: Vec<String>,
}

impl Execute for LogOut {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let server = server(self.args.first().map(String::as_str));
        let mut logins = Logins::open(&cx.config)?;
        if logins.get(&server)?.is_none() {
            cx.printer.line(format!("Not logged in to {server}"))?;
        }
        cx.printer
            .line(format!("Removing login credentials for {server}"))?;
        logins.erase(&server)?;
        Ok(Exit::SUCCESS)
    }
}
