//! `gantry manifest rm`.

use anyhow::{Result, bail};

use super::named;
use super::store::Store;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Delete one or more manifest lists from local storage
#[derive(Debug, clap::Args)]
pub(crate) struct RemoveManifest {
    #[arg(value_name = "MANIFEST_LIST")]
    args: Vec<String>,
}

impl Execute for RemoveManifest {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let store = Store::of(cx.config.dir());
        let mut failed = Vec::new();
        for text in &self.args {
            let list = named(text)?;
            match store.list(&list)? {
                Some(_) => store.remove(&list)?,
                None => failed.push(format!("No such manifest: {list}")),
            }
        }
        if !failed.is_empty() {
            bail!(failed.join("\n"));
        }
        Ok(Exit::SUCCESS)
    }
}
