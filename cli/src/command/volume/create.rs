//! `gantry volume create`.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::key_values;

/// Create a volume
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Volume driver
    #[arg(short, long, value_name = "string", default_value = "local")]
    driver: String,
    /// Set a label
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set an option of the driver
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    /// The volume's name
    #[arg(long, value_name = "string", hide = true)]
    name: Option<String>,
    #[arg(value_name = "VOLUME")]
    args: Vec<String>,
}

impl Execute for Create {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        if self.name.is_some() && !self.args.is_empty() {
            bail!("conflicting options: either specify --name or provide positional arg, not both");
        }
        let name = self.args.first().or(self.name.as_ref());
        let pairs = |given: &[String]| -> Map<String, Value> {
            key_values(given)
                .into_iter()
                .map(|(key, value)| (key, value.into()))
                .collect()
        };
        let request = json!({
            "Name": name.map(String::as_str).unwrap_or_default(),
            "Driver": self.driver,
            "DriverOpts": pairs(&self.opt),
            "Labels": pairs(&self.label),
        });
        let made: Value = cx
            .client()
            .post("/volumes/create")
            .json(&request)
            .fetch()
            .await?;
        cx.printer.line(made["Name"].as_str().unwrap_or_default())?;
        Ok(Exit::SUCCESS)
    }
}
